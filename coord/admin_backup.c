/* backup */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/backup.h"
#include "coord/sessions.h"

void admin_backup(struct admin_request *request)
{
	struct network *network = request->sessions->network;
	char path[1024] = "";
	int err;

	json_fields_text(&request->fields, "path", path, sizeof(path));
	if (request->fields.failed)
		return;
	err = backup_write(network, network->dir, path);
	if (err == -EEXIST)
		admin_fail(request, ADMIN_CONFLICT, "%s is there already; choose another name",
			   path);
	else if (err < 0)
		admin_fail(request, ADMIN_FAILED, "%.300s: cannot write: %s", path, strerror(-err));
	else
		log_info("backup-written");
}
