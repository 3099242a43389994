/* The stage of the relay's scenarios: a real loop and real Unix sockets. The test plays
 * HAProxy's edge on one side and HAProxy's inner bind on the other. The fake gate decides. */
#ifndef SCENARIO_RELAY_STAGE_H
#define SCENARIO_RELAY_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/relay_conn.h"
#include "scenario/fake_gate.h"

#define TICKET	   "x-tollgate-ticket: 0000-00112233445566778899aabbccddeeff\r\n"
#define POST(head) "POST /ignored HTTP/1.1\r\nhost: h\r\n" TICKET head "\r\n"
#define DOWN_HEAD  "HTTP/1.1 200 OK\r\n"
#define FIELDS	   "x-tollgate-id: tg-1\r\n"
#define WAIT_MS	   30000

struct peer {
	int fd;
	struct buf in;
	bool eof;   /* the other side closed the connection */
	bool reset; /* the connection was reset, because bytes that we sent were not read */
};

struct stage {
	struct ev_loop *loop;
	struct gate gate;
	struct metrics metrics;
	struct relay_options options;
	struct relay *relay;
	char dir[64], edge_path[80], egress_path[80];
	int edge_fd, egress_fd;
};

/* Opens both listeners in a new folder, and the fake gate. */
void stage_open(struct stage *s);

/* Starts the relay; the test has set the options before. */
void stage_start(struct stage *s);

/* Stops the relay, frees everything and removes the folder. */
void stage_close(struct stage *s);

/* Returns a counter of the relay. */
uint64_t relay_count(struct stage *s, enum metric id);

/* Turns the loop once, without waiting. */
void relay_turn(struct stage *s);

/* Turns the loop until the condition holds. Fails the test if that takes too long. */
#define until(s, condition)                                                                    \
	do {                                                                                   \
		uint64_t until_us_ = clock_mono_us() + WAIT_MS * 1000ull;                      \
		while (!(condition)) {                                                         \
			if (clock_mono_us() > until_us_)                                       \
				fail_msg("never: %s", #condition);                             \
			relay_turn(s);                                                         \
			usleep(20);                                                            \
		}                                                                              \
	} while (0)

/* Turns the loop for some milliseconds. */
void pass(struct stage *s, unsigned ms);

/* Returns a peer for a connected socket, which the peer owns. */
struct peer peer_of(int fd);

/* Connects to the relay as HAProxy does for a request. */
struct peer edge_connect(struct stage *s);

/* Accepts the relay's next connection to the inner bind. */
struct peer egress_accept(struct stage *s);

/* Asserts that the relay has opened no further connection. */
void no_egress(struct stage *s);

/* Closes the connection, if it is open, and frees the received bytes. */
void peer_close(struct peer *p);

/* Writes all bytes and turns the loop while the socket is full. Returns false if the connection
 * was closed. */
bool say_span(struct stage *s, struct peer *p, struct span bytes);

/* Like say_span(), for a string. */
bool say(struct stage *s, struct peer *p, const char *text);

/* Reads what has arrived, without waiting. */
void listen_in(struct peer *p);

/* Reads what has arrived. Returns true if the bytes so far contain the text. */
bool heard(struct peer *p, const char *text);

/* Reads what has arrived. Returns true if there are at least n bytes. */
bool heard_n(struct peer *p, size_t n);

/* Reads what has arrived. Returns true if the other side closed the connection. */
bool closed(struct peer *p);

/* Waits for exactly these bytes and consumes them. */
void expect_bytes(struct stage *s, struct peer *p, const char *text);

/* Returns the newest exchange. */
struct exchange *exchange(struct stage *s);

/* For cmocka: each test has a stage of its own. */
int relay_setup(void **state);

int relay_teardown(void **state);

/* Sends the text in pieces of `step` bytes, one per turn. */
void say_slowly(struct stage *s, struct peer *p, const char *text, size_t step);

/* Runs one exchange on a fresh stage, which leaves its connection in the pool. */
struct peer pooled(struct stage *s, struct peer *edge);

/* Asserts that each opened exchange was finished once and that none is left open. */
void settled(struct stage *s);

#endif
