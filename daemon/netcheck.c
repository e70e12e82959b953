#include "daemon/netcheck.h"

#include "daemon/local_server.h"

void netcheck_start(struct mesh *mesh, struct local_request *request)
{
	(void)mesh;
	local_reply_error(request, LOCAL_FAILURE, "not yet");
}
