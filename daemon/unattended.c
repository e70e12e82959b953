#include "daemon/unattended.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/enrolment.h"
#include "daemon/mesh.h"
#include "proto/token.h"

/*
 * Did somebody say that this machine is to stay out? Or is it in a network, and its identity got
 * lost: then it is not to become another one by itself.
 */
static bool is_to_stay_out(const struct mesh *mesh)
{
	if (access(mesh_path(mesh, "membership").text, F_OK) == 0)
		return true;
	return !mesh->settings.up && access(mesh_path(mesh, "settings").text, F_OK) == 0;
}

/* systemd's folder; what it lets its service's user read by ACL looks open to a group. */
static int read_credential(uint8_t **data, size_t *len)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[DAEMON_PATH_MAX];
	int n = dir ? snprintf(path, sizeof(path), "%s/" UNATTENDED_CREDENTIAL, dir) : 0;

	if (!dir || dir[0] != '/' || n >= (int)sizeof(path))
		return -ENOENT;
	return file_read(path, TOKEN_TEXT_SIZE, data, len);
}

static void complain(struct mesh *mesh, const char *why)
{
	log_error("credential-refused name=" UNATTENDED_CREDENTIAL " error=\"%s\"", why);
	mesh_set_health(mesh, HEALTH_COORDINATOR, "credential " UNATTENDED_CREDENTIAL ": %s", why);
}

void unattended_begin(struct mesh *mesh)
{
	char error[MESH_HEALTH_SIZE];
	uint8_t *token;
	size_t len;
	int err;

	if (mesh->has_membership || is_to_stay_out(mesh))
		return;
	err = read_credential(&token, &len);
	if (err == -ENOENT)
		return;
	if (err < 0) {
		complain(mesh, strerror(-err));
		return;
	}
	if (enrolment_begin(mesh->enrolment, (const char *)token, error, sizeof(error)))
		log_info("enrolling from=credential");
	else
		complain(mesh, error);
	file_free_secret(token, len);
}
