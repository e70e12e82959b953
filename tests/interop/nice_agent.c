/*
 * libnice's ICE agent behind the same lines that ice_agent speaks.
 *
 *	nice_agent ADDRESS controlling|controlled regular|aggressive
 *
 * Besides: "send TEXT" sends a datagram on the path in use, "received TEXT" is printed for one that
 * came. "selected" is printed for every pair that libnice takes, "state N" for its states.
 */
#include <nice/agent.h>
#include <stdio.h>
#include <string.h>

static NiceAgent *agent;
static guint stream;
static GMainLoop *loop;
static GSList *candidates; /* of the description that comes in */
static char ufrag[128], pwd[256];

static void print_description(void)
{
	GSList *list = nice_agent_get_local_candidates(agent, stream, 1);
	gchar *local_ufrag, *local_pwd;

	nice_agent_get_local_credentials(agent, stream, &local_ufrag, &local_pwd);
	printf("ufrag %s\npwd %s\n", local_ufrag, local_pwd);
	for (GSList *i = list; i; i = i->next) {
		gchar *line = nice_agent_generate_local_candidate_sdp(agent, i->data);

		printf("%s\n", line + 2); /* without "a=" */
		g_free(line);
	}
	printf("end\n");
	fflush(stdout);
	g_free(local_ufrag);
	g_free(local_pwd);
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
}

static void on_gathered(NiceAgent *of, guint of_stream, gpointer data)
{
	(void)of;
	(void)of_stream;
	(void)data;
	print_description();
}

static void on_selected(NiceAgent *of, guint of_stream, guint component, NiceCandidate *local,
			NiceCandidate *remote, gpointer data)
{
	gchar text[NICE_ADDRESS_STRING_LEN];

	(void)of;
	(void)of_stream;
	(void)component;
	(void)local;
	(void)data;
	nice_address_to_string(&remote->addr, text);
	printf("selected %s\n", text);
	fflush(stdout);
}

static void on_state(NiceAgent *of, guint of_stream, guint component, guint state, gpointer data)
{
	(void)of;
	(void)of_stream;
	(void)component;
	(void)data;
	printf("state %s\n", nice_component_state_to_string((NiceComponentState)state));
	fflush(stdout);
}

static void on_received(NiceAgent *of, guint of_stream, guint component, guint len, gchar *buf,
			gpointer data)
{
	(void)of;
	(void)of_stream;
	(void)component;
	(void)data;
	printf("received %.*s\n", (int)len, buf);
	fflush(stdout);
}

static void take_description(void)
{
	if (!nice_agent_set_remote_credentials(agent, stream, ufrag, pwd) ||
	    nice_agent_set_remote_candidates(agent, stream, 1, candidates) < 0)
		fprintf(stderr, "nice_agent: the description is not taken\n");
	g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
	candidates = NULL;
}

static void take_line(const char *line)
{
	gchar *sdp;
	NiceCandidate *candidate;

	if (strcmp(line, "end") == 0) {
		take_description();
	} else if (strcmp(line, "restart") == 0) {
		nice_agent_restart(agent);
		print_description();
	} else if (strncmp(line, "send ", 5) == 0) {
		if (nice_agent_send(agent, stream, 1, (guint)strlen(line + 5), line + 5) < 0)
			fprintf(stderr, "nice_agent: nothing was sent\n");
	} else if (sscanf(line, "ufrag %127s", ufrag) != 1 && sscanf(line, "pwd %255s", pwd) != 1) {
		sdp = g_strconcat("a=", line, NULL);
		candidate = nice_agent_parse_remote_candidate_sdp(agent, stream, sdp);
		if (candidate)
			candidates = g_slist_append(candidates, candidate);
		else
			fprintf(stderr, "nice_agent: unused line: %s\n", line);
		g_free(sdp);
	}
}

static gboolean on_line(GIOChannel *channel, GIOCondition condition, gpointer data)
{
	gchar *line;

	(void)condition;
	(void)data;
	if (g_io_channel_read_line(channel, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL) {
		g_main_loop_quit(loop);
		return FALSE;
	}
	take_line(g_strchomp(line));
	g_free(line);
	return TRUE;
}

static NiceAgent *new_agent(const char *address, gboolean controlling, gboolean regular)
{
	NiceAgentOption options = NICE_AGENT_OPTION_ICE_TRICKLE |
				  (regular ? NICE_AGENT_OPTION_REGULAR_NOMINATION : 0);
	NiceAgent *made = nice_agent_new_full(g_main_loop_get_context(loop),
					      NICE_COMPATIBILITY_RFC5245, options);
	NiceAddress addr;

	g_object_set(made, "controlling-mode", controlling, "ice-tcp", FALSE, "upnp", FALSE, NULL);
	nice_address_init(&addr);
	if (!nice_address_set_from_string(&addr, address) ||
	    !nice_agent_add_local_address(made, &addr))
		return NULL;
	g_signal_connect(made, "candidate-gathering-done", G_CALLBACK(on_gathered), NULL);
	g_signal_connect(made, "new-selected-pair-full", G_CALLBACK(on_selected), NULL);
	g_signal_connect(made, "component-state-changed", G_CALLBACK(on_state), NULL);
	return made;
}

int main(int argc, char **argv)
{
	GIOChannel *input;

	if (argc != 4)
		return 2;
	loop = g_main_loop_new(NULL, FALSE);
	agent = new_agent(argv[1], strcmp(argv[2], "controlling") == 0,
			  strcmp(argv[3], "regular") == 0);
	stream = agent ? nice_agent_add_stream(agent, 1) : 0;
	if (!stream ||
	    !nice_agent_attach_recv(agent, stream, 1, g_main_loop_get_context(loop), on_received,
				    NULL) ||
	    !nice_agent_gather_candidates(agent, stream))
		return 1;
	input = g_io_channel_unix_new(0);
	g_io_add_watch(input, G_IO_IN | G_IO_HUP, on_line, NULL);
	g_main_loop_run(loop);
	g_io_channel_unref(input);
	g_object_unref(agent);
	g_main_loop_unref(loop);
	return 0;
}
