#include "daemon/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "daemon/exit.h"
#include "daemon/leftovers.h"

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
