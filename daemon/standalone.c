#include "daemon/standalone.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/dataplane.h"
#include "daemon/device.h"
#include "daemon/options.h"
#include "daemon/record.h"
#include "daemon/self_test.h"
#include "daemon/startup.h"
#include "daemon/uapi.h"
#include "io/loop.h"
#include "kernel-iface/monitor.h"
#include "proto/tai64n.h"

#define TIMESTAMP_KIND "wgstamp"

struct standalone {
	struct loop *loop;
	struct device *device;
	struct uapi *uapi;
	struct monitor *monitor;
	struct loop_watch *monitor_watch;
	bool device_gone;
	char timestamp_path[DAEMON_PATH_MAX + 16]; /* "" without --state */
};

static void save_timestamp(void *arg, const uint8_t stamp[static TAI64N_SIZE])
{
	struct standalone *s = arg;
	int ret;

	if (!s->timestamp_path[0])
		return;
	ret = record_write(s->timestamp_path, TIMESTAMP_KIND, stamp, TAI64N_SIZE);
	if (ret < 0)
		log_warn("timestamp_not_saved path=%s error=%s", s->timestamp_path, strerror(-ret));
}

static const struct device_ops ops = { .save_timestamp = save_timestamp };

/*
 * The greatest timestamp sent by an earlier run. Only with --state: without one the wall clock
 * alone has to grow. 0, or -errno after one line to standard error.
 */
static int load_timestamp(struct standalone *s, const struct options *options,
			  uint8_t stamp[static TAI64N_SIZE], bool *loaded)
{
	uint8_t *data;
	size_t len;
	int ret;

	if (!options->state_given)
		return 0;
	ret = file_make_dir(options->config.state);
	if (ret < 0) {
		fprintf(stderr, "warrend: cannot create %s: %s; choose another with --state\n",
			options->config.state, strerror(-ret));
		return ret;
	}
	snprintf(s->timestamp_path, sizeof(s->timestamp_path), "%s/timestamp",
		 options->config.state);
	ret = record_read(s->timestamp_path, TIMESTAMP_KIND, &data, &len);
	if (ret == -ENOENT)
		return 0;
	if (ret == 0 && len != TAI64N_SIZE) {
		file_free_secret(data, len);
		ret = -EBADMSG;
	}
	if (ret < 0) {
		fprintf(stderr, "warrend: cannot use %s: %s; remove it to begin anew\n",
			s->timestamp_path, ret == -EBADMSG ? "it is damaged" : strerror(-ret));
		return ret;
	}
	memcpy(stamp, data, TAI64N_SIZE);
	*loaded = true;
	file_free_secret(data, len);
	return 0;
}

static void on_signal(void *arg, int signum)
{
	struct standalone *s = arg;

	log_info("stopping signal=%d", signum);
	loop_stop(s->loop);
}

static int start_device(struct standalone *s, const struct options *options)
{
	struct device_config config = { .dp = startup_dp_config(&options->config) };
	uint8_t stamp[TAI64N_SIZE];
	bool loaded = false;
	int ret = load_timestamp(s, options, stamp, &loaded);

	if (ret < 0)
		return ret;
	config.timestamp = loaded ? stamp : NULL;
	ret = device_new(&s->device, s->loop, &config, &ops, s);
	if (ret < 0)
		startup_explain(ret, &options->config);
	return ret;
}

/* Without its device there is nothing left to do; who deleted it may make another. */
static void on_monitor(void *arg, int revents)
{
	struct standalone *s = arg;
	const struct dataplane *dp = device_dataplane(s->device);

	(void)revents;
	monitor_read(s->monitor, loop_now_ns(s->loop));
	if (s->device_gone || dataplane_has_tun(dp))
		return;
	log_error("device-gone tun=%s action=\"start again to have it back\"",
		  dataplane_tun_name(dp));
	s->device_gone = true;
	loop_stop(s->loop);
}

static int start_monitor(struct standalone *s)
{
	int ret = monitor_new(&s->monitor);

	if (ret == 0)
		ret = loop_watch_new(&s->monitor_watch, s->loop, monitor_fd(s->monitor),
				     UV_READABLE, on_monitor, s);
	if (ret < 0)
		fprintf(stderr, "warrend: cannot watch the interface: %s\n", strerror(-ret));
	return ret;
}

static int start_uapi(struct standalone *s)
{
	const char *name = dataplane_tun_name(device_dataplane(s->device));
	int ret = uapi_new(&s->uapi, s->loop, s->device, 0, false);

	if (ret == -EADDRINUSE)
		fprintf(stderr,
			"warrend: another program serves " UAPI_DIRECTORY
			"/%s.sock; choose another name with --tun\n",
			name);
	else if (ret < 0)
		fprintf(stderr, "warrend: cannot listen at " UAPI_DIRECTORY "/%s.sock: %s\n", name,
			strerror(-ret));
	return ret;
}

static int start(struct standalone *s, const struct options *options)
{
	int ret = loop_new(&s->loop);

	if (ret < 0)
		return ret;
	ret = loop_signal(s->loop, SIGTERM, on_signal, s);
	if (ret == 0)
		ret = loop_signal(s->loop, SIGINT, on_signal, s);
	if (ret == 0)
		ret = start_device(s, options);
	if (ret == 0)
		ret = start_monitor(s);
	if (ret == 0)
		ret = start_uapi(s);
	return ret;
}

int standalone_run(const struct options *options)
{
	struct standalone s = { 0 };
	struct dataplane *dp;
	char broken[128];
	int ret = start(&s, options);

	if (ret == 0) {
		self_test_broken_ciphers(broken, sizeof(broken));
		dp = device_dataplane(s.device);
		log_info("ready mode=standalone tun=%s port=%u workers=%u cipher=%s",
			 dataplane_tun_name(dp), dataplane_port(dp), dataplane_workers(dp),
			 dataplane_cipher(dp));
		ret = loop_run(s.loop);
	}
	uapi_free(s.uapi);
	loop_watch_free(s.monitor_watch);
	monitor_free(s.monitor);
	device_free(s.device);
	loop_free(s.loop);
	return ret < 0 || s.device_gone ? 1 : 0;
}
