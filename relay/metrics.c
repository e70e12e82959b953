#include "relay/metrics.h"

#include "base/metrics.h"
#include "relay/server.h"

#define DROPPED "warren_relay_dropped_packets_total"

void relay_metrics_write(const struct relay *relay, FILE *out)
{
	struct relay_stats stats = relay_stats(relay);

	metrics_gauge(out, "warren_relay_sessions", "Nodes that are registered.",
		      (double)stats.sessions);
	metrics_counter(out, "warren_relay_forwarded_packets_total", "Packets passed on.",
			stats.forwarded_packets);
	metrics_counter(out, "warren_relay_forwarded_bytes_total", "Bytes passed on.",
			stats.forwarded_bytes);
	metrics_counter(out, "warren_relay_stun_bindings_total", "Plain STUN requests answered.",
			stats.bindings);
	metrics_counter(out, "warren_relay_probes_total", "Probes sent from the second port.",
			stats.probes);
	metrics_counter(out, "warren_relay_refused_requests_total",
			"Requests answered with an error other than a challenge.", stats.refused);
	metrics_begin(out, DROPPED, "counter", "Packets not passed on, by reason.");
	metrics_add(out, DROPPED, "reason", "rate", (double)stats.dropped_rate);
	metrics_add(out, DROPPED, "reason", "absent", (double)stats.dropped_absent);
	metrics_add(out, DROPPED, "reason", "malformed", (double)stats.dropped_malformed);
	metrics_add(out, DROPPED, "reason", "stranger", (double)stats.dropped_stranger);
	metrics_add(out, DROPPED, "reason", "busy", (double)stats.dropped_busy);
}
