#ifndef WARREN_IO_WS_CONTEXT_H
#define WARREN_IO_WS_CONTEXT_H

#include <libwebsockets.h>

#include "io/loop.h"

/*
 * A libwebsockets context on a libuv loop of its own, which hangs in the program's loop by its
 * epoll descriptor. Because that inner loop holds nothing but libwebsockets' handles, it can be run
 * to its end when the context goes, so that freeing is synchronous; libwebsockets on a shared loop
 * would need the loop to turn several times more. Internal to the ws_ files.
 */
struct ws_context;

/* Fills in the members of info that every context shares. 0, -ENOMEM or -errno. */
int ws_context_new(struct ws_context **context, struct loop *loop,
		   struct lws_context_creation_info *info);
/* Ends all connections, with their callbacks, and frees. Not from inside a callback of its own. */
void ws_context_free(struct ws_context *context);
struct lws_context *ws_context_lws(const struct ws_context *context);
/* To be called after any call into libwebsockets that did not come from one of its callbacks. */
void ws_context_touch(struct ws_context *context);

#endif
