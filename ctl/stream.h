#ifndef WARREN_CTL_STREAM_H
#define WARREN_CTL_STREAM_H

/*
 * Carries bytes both ways between a connected socket and two descriptors, each direction until its
 * end: an end of `in` is passed on as the end of what we send, and an end of what comes closes
 * `out`, while the other direction goes on. Without copying where in or out is a pipe. When `in` is
 * a terminal, the end of what comes ends all. 0; -EPIPE: nobody reads out any more; or the -errno
 * that broke the connection.
 */
int stream_run(int sock, int in, int out);

#endif
