/* Limits on a private Redis: a loop, connections to the server, and requests that wait for
 * their result. For one file of a test program. */
#ifndef TESTS_QUOTA_RIG_H
#define TESTS_QUOTA_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/redis/redis_private.h"
#include "budget/quota/quota_private.h"
#include "support/redis_rig.h"

/* Describes a limit of `limit` in a window; the request charges n. */
void dim_set(
	struct quota_dim *d, const char *name, uint64_t limit, uint64_t window_s, uint64_t n);

/* The dimension of tokens settles at this number, the others at what they reserved. */
void settle_tokens(struct quota *qt, struct quota_request *q, uint64_t tokens, uint64_t now_us);

extern char quota_dir[64];
extern struct redis_rig server;
extern struct ev_loop *loop;
extern struct mailbox self;

/* For cmocka: starts a Redis server in a new folder, if the program is installed. */
int quota_setup(void **state);

/* For cmocka: stops the server and removes the folder. */
int quota_teardown(void **state);

/* Replaces the loop, so that nothing of a failed row affects the next one. */
void loop_anew(void);

#define NEEDS_REDIS                                                                            \
	do {                                                                                   \
		(void)state;                                                                   \
		if (!server.pid)                                                               \
			skip();                                                                \
		loop_anew();                                                                   \
		redis_rig_do(&server, "FLUSHALL");                                             \
	} while (0)

/* Makes a listener that connections find at `url`. */
int listen_at(char url[128], const char *name);

/* Returns a connection to the server. */
int connect_server(void);

/* The longest wait for a condition on any machine, and for a running Redis. */
enum { RIG_PATIENT_US = 30000000 };

/* Turns the loop for this time. */
void run_for(uint64_t us);

/* Sets how long the client waits for replies, also to commands that were already sent. Short
 * while the test has its server stopped. */
void redis_waits(struct redis *r, uint64_t us);

/* A wait of a second or more lasts as long as necessary. */
bool run_until_up(struct redis *r, uint64_t us);

struct ask {
	struct quota_request q;
	bool done;
	uint64_t sent_us, done_us;
};

/* The result of a reservation. */
void asked(struct quota_request *q);

/* Reserves one request, and n tokens if `tokens` is not 0. The parameters are the limits. */
void ask(struct quota *qt, struct ask *a, uint64_t requests, uint64_t tokens, uint64_t n);

/* Turns the loop until the reservation has a result. */
void asked_out(const struct ask *a);

/* ask() and asked_out(). */
void ask_wait(struct quota *qt, struct ask *a, uint64_t requests, uint64_t tokens, uint64_t n);

/* Returns the sum of all keys that contain this name (of an epoch; 0: of any). Asserts that
 * each has a TTL and none is negative. */
long long stored_in(const char *name, uint64_t epoch);

/* stored_in() for any epoch. */
long long stored(const char *name);

/* Waits until commands in flight have arrived and `want` is stored. Returns what is stored in
 * the end. */
long long stored_soon(const char *name, long long want);

/* Returns the counter of a limit at one place, 0 if it does not exist. */
long long count_at(const struct quota_dim *d, struct quota_place at);

struct line {
	struct redis *redis;
	struct quota *quota;
	struct metrics m;
};

/* Starts a worker on the server at `url`. */
void line_up_at(struct line *l, const char *url, uint64_t deadline_us);

/* Starts a worker on the rig's server. */
void line_up(struct line *l, uint64_t deadline_us);

/* Waits until nothing is queued and every command is answered: admitted requests are counted in
 * the current epoch, and settled ones are settled. */
void line_done(struct line *l);

/* Stops a worker. */
void line_down(struct line *l);

/* Starts n workers and waits until each is connected. */
void lines_up(struct line *l, int n);

/* Stops n workers. */
void lines_down(struct line *l, int n);

#endif
