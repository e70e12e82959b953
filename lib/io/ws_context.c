#include "io/ws_context.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Turns of the inner loop in one turn of the outer, so that a busy stream starves nobody. */
#define TURNS_MAX 4
/* Steps of libwebsockets' destruction; two or three are used. */
#define DESTROY_STEPS_MAX 16

/* The outer loop's handles, alone in their allocation because libuv frees them later. */
struct outer_handles {
	uv_prepare_t prepare;
	uv_timer_t timer;
	unsigned int open;
};

struct ws_context {
	struct loop *loop;
	struct lws_context *lws;
	uv_loop_t inner;
	struct loop_watch *watch;
	struct outer_handles *outer;
	bool touched;
};

static void on_outer_timer(uv_timer_t *timer)
{
	struct ws_context *context = timer->data;

	context->touched = true;
}

static void turn(struct ws_context *context)
{
	int timeout_ms;
	int turns = 0;

	do {
		context->touched = false;
		uv_run(&context->inner, UV_RUN_NOWAIT);
		timeout_ms = uv_backend_timeout(&context->inner);
	} while ((timeout_ms == 0 || context->touched) && ++turns < TURNS_MAX);
	if (timeout_ms < 0)
		uv_timer_stop(&context->outer->timer);
	else
		uv_timer_start(&context->outer->timer, on_outer_timer, (uint64_t)timeout_ms, 0);
}

static void on_inner_ready(void *arg, int revents)
{
	struct ws_context *context = arg;

	(void)revents;
	context->touched = true;
}

/* Runs before the outer loop sleeps, so that everything asked of libwebsockets is under way. */
static void on_outer_prepare(uv_prepare_t *prepare)
{
	struct ws_context *context = prepare->data;

	if (context->touched)
		turn(context);
}

static void on_outer_closed(uv_handle_t *handle)
{
	struct outer_handles *outer = handle->data;

	if (--outer->open == 0)
		free(outer);
}

static void close_outer(struct outer_handles *outer)
{
	outer->open = 2;
	outer->prepare.data = outer;
	outer->timer.data = outer;
	uv_close((uv_handle_t *)&outer->prepare, on_outer_closed);
	uv_close((uv_handle_t *)&outer->timer, on_outer_closed);
}

static int open_outer(struct ws_context *context)
{
	struct outer_handles *outer = calloc(1, sizeof(*outer));

	if (!outer)
		return -ENOMEM;
	uv_prepare_init(loop_uv(context->loop), &outer->prepare);
	uv_timer_init(loop_uv(context->loop), &outer->timer);
	outer->prepare.data = context;
	outer->timer.data = context;
	uv_prepare_start(&outer->prepare, on_outer_prepare);
	context->outer = outer;
	return 0;
}

static void drain_inner(struct ws_context *context)
{
	for (int i = 0; i < 1000 && uv_loop_alive(&context->inner); i++)
		uv_run(&context->inner, UV_RUN_NOWAIT);
}

/* Silence is ws_conn's matter: libwebsockets walks a list of all connections for each that speaks.
 */
static const lws_retry_bo_t idle_policy = { .secs_since_valid_hangup = 0 };

int ws_context_new(struct ws_context **out, struct loop *loop,
		   struct lws_context_creation_info *info)
{
	struct ws_context *context = calloc(1, sizeof(*context));
	void *loops[1];
	int err;

	if (!context)
		return -ENOMEM;
	context->loop = loop;
	context->touched = true;
	err = uv_loop_init(&context->inner);
	if (err < 0)
		goto fail_alloc;
	err = open_outer(context);
	if (err < 0)
		goto fail_loop;
	err = loop_watch_new(&context->watch, loop, uv_backend_fd(&context->inner), UV_READABLE,
			     on_inner_ready, context);
	if (err < 0)
		goto fail_outer;

	/* Errors reach the program through callbacks and codes; stderr belongs to its own log. */
	lws_set_log_level(0, NULL);
	loops[0] = &context->inner;
	info->foreign_loops = loops;
	info->pcontext = &context->lws;
	info->options |= LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
			 LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
	info->alpn = "http/1.1";
	info->pt_serv_buf_size = 16384;
	info->retry_and_idle_policy = &idle_policy;
	context->lws = lws_create_context(info);
	if (!context->lws) {
		err = -ENOMEM;
		goto fail_watch;
	}
	*out = context;
	return 0;

fail_watch:
	loop_watch_free(context->watch);
	drain_inner(context);
fail_outer:
	close_outer(context->outer);
fail_loop:
	uv_loop_close(&context->inner);
fail_alloc:
	free(context);
	return err;
}

void ws_context_free(struct ws_context *context)
{
	if (!context)
		return;
	/* libwebsockets clears the pointer, through info.pcontext, with its last step. */
	for (int i = 0; i < DESTROY_STEPS_MAX && context->lws; i++) {
		lws_context_destroy(context->lws);
		drain_inner(context);
	}
	loop_watch_free(context->watch);
	close_outer(context->outer);
	uv_loop_close(&context->inner);
	free(context);
}

struct lws_context *ws_context_lws(const struct ws_context *context)
{
	return context->lws;
}

void ws_context_touch(struct ws_context *context)
{
	context->touched = true;
}
