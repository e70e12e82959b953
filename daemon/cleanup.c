#include "daemon/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/secret.h"
#include "daemon/exit.h"
#include "daemon/leftovers.h"
#include "daemon/mesh.h"
#include "kernel-iface/firewall.h"

static int put_back(const struct daemon_config *config)
{
	int lock = file_lock_dir(config->state);
	int err = lock < 0 ? lock : leftovers_cleanup(config->state);

	if (lock >= 0)
		close(lock);
	if (err == 0 || err == -ENOENT)
		return 0; /* a folder that is not there left nothing */
	if (err == -EWOULDBLOCK)
		fprintf(stderr, "warrend: another warrend uses %s; stop that one first\n",
			config->state);
	else
		fprintf(stderr,
			"warrend: cannot put back what %s/leftovers lists: %s; run it as "
			"root\n",
			config->state, strerror(-err));
	return 1;
}

int cleanup_run(const struct daemon_config *config, bool open)
{
	int code = put_back(config);
	int err = code == 0 && open ? exit_open(config->tun) : 0;

	if (err < 0)
		fprintf(stderr,
			"warrend: cannot open what the kill switch of %s blocks: %s; run it "
			"as root\n",
			config->tun, strerror(-err));
	return err < 0 ? 1 : code;
}

/* What the daemon itself reads before it blocks. */
static int load(struct mesh *mesh)
{
	const char *name = "membership";
	int err = membership_load(&mesh->membership, mesh_path(mesh, name).text);

	if (err == -ENOENT)
		return 0; /* in no network */
	mesh->has_membership = err == 0;
	if (err == 0) {
		name = "settings";
		err = settings_load(&mesh->settings, mesh_path(mesh, name).text);
	}
	if (err < 0)
		fprintf(stderr,
			"warrend: cannot read %s/%s: %s; run it as root, or restore the file\n",
			mesh->config->state, name, strerror(-err));
	return err;
}

int cleanup_close(const struct daemon_config *config)
{
	struct mesh *mesh = secret_new(sizeof(*mesh));
	int err = mesh ? 0 : -ENOMEM;

	if (err == 0) {
		mesh->config = config;
		mesh->state_lock = -1;
		settings_init(&mesh->settings);
		err = load(mesh);
	}
	if (err == 0)
		err = firewall_new(&mesh->firewall);
	if (err == 0 && exit_close(mesh) < 0) {
		err = -EIO;
		fprintf(stderr, "warrend: %s; run it as root\n", mesh->health[HEALTH_BLOCK]);
	}
	if (mesh) {
		firewall_free(mesh->firewall);
		settings_clear(&mesh->settings);
		secret_free(mesh);
	}
	return err < 0 ? 1 : 0;
}
