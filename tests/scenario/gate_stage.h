/* A gate without a network. NOTIFYs are built by hand, the test sets the time, and the disk and
 * the quota store answer when the test calls them. Two workers run on one thread, each with a
 * mailbox that the test drains. Counters are kept in the in-process table, which a third
 * mailbox owns. */
#ifndef TESTS_GATE_STAGE_H
#define TESTS_GATE_STAGE_H

#include <ev.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/fake_clock.h"
#include "support/record_check.h"
#include "base/caps.h"
#include "base/err.h"
#include "budget/quota/quota_table.h"
#include "gate/engine/engine.h"
#include "policy/identity/apikeys.h"

#define AUDIT_MAX 256

extern struct audit_entry *disk_queue[AUDIT_MAX];
extern size_t disk_queued;
extern struct buf disk_text; /* all records, one per line */
extern size_t disk_records;

/* False while the disk refuses records after a failed write. */
extern bool disk_ready;

/* Answers the entry at position i of the queue. */
void disk_answer_at(size_t i, int err);

#define STAGE_KEY_MAX 5

struct stage {
	char dir[64], policy[96], keys[96];
	char key[STAGE_KEY_MAX][80]; /* the key of each member of stage_people */
	struct ev_loop *loop;
	struct config cfg;
	struct gate_shared *shared;
	struct snapshot *snap;
	struct mailbox mail[2], table_mail;
	struct quota_table *table;
	struct metrics metrics[2];
	struct gate *gate[2];
};

/* The 12-bit hash (span_hash()) of the last name equals that of "alice". */
extern const char *const stage_people[STAGE_KEY_MAX];

/* Further fields of each person's key; NULL: the person is an analyst. Set before
 * stage_up(). */
extern const char *stage_key_says[STAGE_KEY_MAX];

/* The owner of each key, if it is not the person of the same index; else NULL. */
extern const char *stage_key_is_of[STAGE_KEY_MAX];

/* Writes a file. */
void stage_write(const char *file, const char *text);

/* Starts the stage. `more` follows the head of the policy and holds routes, rules and
 * limits. */
void stage_up(struct stage *s, const char *more);

/* Turns both workers once. */
void stage_turn(struct stage *s);

/* The quota store answers all calls that it has received. */
void stage_quota(struct stage *s);

/* The disk answers the oldest entry. */
void stage_disk(struct stage *s, int err);

/* Lets the store and the disk answer until nothing is asked any more. */
void stage_settle(struct stage *s);

/* Lets time pass on the fake clock and turns both workers. */
void stage_pass(struct stage *s, uint64_t us);

/* Returns the number of requests that the gates of both workers still hold. */
size_t stage_alive(const struct stage *s);

/* Returns a counter as the sum of both workers. */
uint64_t stage_count(const struct stage *s, enum metric m);

/* Returns the value that /metrics has for both workers on the line that begins with tollgate_
 * and `name`, or -1 if there is no such line. */
int64_t stage_series(const struct stage *s, const char *name);

/* Returns the current count of a limit with a window of one minute for one person. A charge of
 * 0 reads the counter. */
int64_t stage_charged(struct stage *s, const char *limit, const char *person);

/* Asserts that no request, held byte or unanswered call is left, and frees the stage. */
void stage_down(struct stage *s);

/* Returns a member of record i by its path ("identity.person"): strings as they are, other
 * values as JSON, "" if absent. Valid until the next call. */
const char *stage_field(size_t i, const char *path);

/* Returns true if a record that the disk was given contains the text. */
bool stage_records_hold(const char *text);

/* ---- NOTIFYs ---- */

struct note {
	const char *method, *path, *query;
	const char *person;	 /* the person whose key is sent; NULL: no key */
	const char *headers[20]; /* "name: value" */
	const char *body;
	size_t body_n;	/* 0: the length of the whole body */
	bool partial;	/* HAProxy did not see the end of the body */
	bool no_host;	/* sends no Host, except one in `headers` */
	bool no_length; /* sends no Content-Length; with a body the request is then partial */
	const char *length; /* a different Content-Length */
	int64_t body_len;   /* req.body_len if it differs from the body's length; 0: the same */
	const char *tail;   /* the value of htx_blk.type(tail) */
	size_t room;	    /* room in the ACK; 0: 16384 */
	const char *message; /* name of the SPOE message */
	const char *origin;  /* Origin of a page, if HAProxy has it in its list */
	bool no_origin;	     /* spoe.cfg is an older one and does not send `origin` */
	const char *certificate;
};

#define CHAT "/v1/chat/completions"
/* A batch of Anthropic with two requests. */
#define BATCH(one, two, cap)                                                                   \
	"{\"requests\":[{\"params\":{\"model\":\"" one "\",\"max_tokens\":" cap "}},"          \
	"{\"params\":{\"model\":\"" two "\",\"max_tokens\":50}}]}"

/* A NOTIFY that was sent, and its ACK. */
struct call {
	struct request *r; /* NULL once it is answered */
	bool answered;
	size_t n;
	char name[40][24];
	char value[40][1200];
	/* the memory of the NOTIFY, as HAProxy's frame would hold it */
	struct buf frame;
	struct spop_arg args[16];
	struct spop_message message;
};

/* The ACK of a call: stores its variables. `arg` is the call. */
void call_answered(void *arg, const struct spop_action *a, size_t n);

/* Returns a variable of the ACK, or "" if it was not set. */
const char *call_var(const struct call *c, const char *name);

/* Returns a string value of SPOP. */
struct spop_value note_str(struct span s);

/* Appends a header field as HAProxy sends it in `hdrs`. */
void put_field(struct buf *b, struct span name, struct span value);

/* Sends a NOTIFY to worker w. */
void call_send(struct stage *s, unsigned w, const struct note *n, struct call *c);

/* HAProxy's connection is closed before the answer. */
void call_forget(struct call *c);

/* Sends a NOTIFY to worker 0 and lets everything answer. */
void call_do(struct stage *s, const struct note *n, struct call *c);

/* ---- the relay's side ---- */

struct pass {
	struct gate_claim claim;
	char ticket[64], method[16];
	bool claimed;
	int err;
	struct exchange *x;
	bool ruled, denied;
	struct exchange_denial denial;
	char denial_body[1024], denial_fields[4096];
	bool done;
	int done_err;
};

/* Claims a ticket on worker w. The claim is answered in a later turn. */
void pass_send(struct stage *s, unsigned w, struct pass *p, const char *ticket,
	const char *method, int64_t length);

/* Claims a ticket on worker w and waits for the result: 0 or the error. */
int pass_claim(
	struct stage *s, unsigned w, struct pass *p, const struct call *c, int64_t length);

/* The verdict on a deferred body. `arg` is the pass. */
void pass_ruled(void *arg, const struct exchange_denial *d);

/* The end of an exchange. `arg` is the pass. */
void pass_done(void *arg, int err);

/* Ends the exchange as the relay does. `in` and `out` are tokens; in < 0: no usage is known. */
void pass_finish(struct pass *p, enum exchange_end end, int status, int64_t in, int64_t out);

#endif
