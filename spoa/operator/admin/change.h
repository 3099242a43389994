/* One change of a key or a limit at run time: its record first, then the entry, then the other
 * daemons. Runs on the admin thread. */
#ifndef OPERATOR_ADMIN_CHANGE_H
#define OPERATOR_ADMIN_CHANGE_H

#include "gate/changes/live.h"
#include "operator/admin/calls.h"

enum { CHANGE_WHO_LEN = 80 };

struct change {
	struct server *s;
	const struct admin_peer *peer;
	json_t *in; /* what was asked, with by and reason */
	struct buf *out;
	enum live_kind kind;
	const char *what; /* its name; of what no entry is kept of, another word */
	const char *verb; /* "new", "revoke", … of the record */
	bool unwaited;	  /* it is done whatever comes of its record */
	bool reads;	  /* it changes nothing: its record is of type "read" */
	bool may_sum;	  /* over its caller's share it is counted in a sum: verb, records */
	bool is_sum;
	bool is_over;	 /* the reading was before this: it is not refused */
	bool let_in;	 /* within its share: further records of it are too */
	unsigned wait_s; /* it was refused: over its caller's share for so long */
	unsigned status; /* of the answer */
	json_t *answer;	 /* what is said where all is done */
};

/* All of a change, but for what it changes: make() says that, the entry as it is (NULL: a new
 * one) and as it is to be, both given away. False: nothing is put, it was answered or is so.
 * Returns the status. */
typedef bool change_make_fn(struct change *c, json_t **before, json_t **after);
/* A call that changes something, as a row. */
struct change_row {
	const char *what; /* no entry is kept of it, it ends with the process; NULL: an entry */
	enum live_kind kind;
	const char *verb;
	change_make_fn *make;
	/* Does what was recorded of what is no entry, or ends the answer of an entry that was put;
	 * NULL: there is nothing to do. */
	void (*done)(struct change *c, const json_t *after);
};
unsigned change_call(const struct change_row *row, struct server *s,
	const struct admin_peer *peer, json_t *in, struct buf *out);

/* Each takes by and reason. Of keys, new: members of a key, ttl or expires; the answer holds
 * its text, once. change: id, and members that get another value, or none (null). rotate: id,
 * overlap, ttl. revoke: id, of a key of a file too. */
extern const struct change_row admin_key_new, admin_key_change, admin_key_rotate,
	admin_key_revoke;
/* set: limit, for (an object), to, until or ttl. clear: id, or limit and for. */
extern const struct change_row admin_limit_set, admin_limit_clear;
/* target (PROVIDER: all of its models, or PROVIDER/MODEL). Until the process ends. */
extern const struct change_row admin_target_eject, admin_target_admit;
/* server, kind, name; hash, of at least 12 digits; only: no other is approved from then on;
 * none, without a hash: no text is. */
extern const struct change_row admin_tool_approve;
/* 409: no webhook is configured, or a test is under way. */
extern const struct change_row admin_notify_test;
/* command ("audit list"), asked (an object: what it was asked for), records (how many it
 * showed), follow ("begin" or "end"): somebody read records. Changes nothing: it is recorded.
 */
extern const struct change_row admin_read;
/* text: its keyed hash as id, for a search. */
extern const struct change_row admin_text_hash;
/* person: the word that records have in place of the name, as pseudonym; 404: there is none. */
extern const struct change_row admin_pseudonym;
/* object (record/proof/export.h): it is signed with the journal's key, as manifest. Nothing is
 * signed that is not recorded. */
extern const struct change_row admin_export;
/* level, for. */
extern const struct change_row admin_log_set;

/* Answers with all entries of a kind under `name`, each as it is shown, with its state; NULL:
 * it is left out. Returns the status. */
unsigned change_list(struct server *s, enum live_kind kind, const char *name,
	const char *(*state_of)(const json_t *entry), struct buf *out);
/* The text of a member, NULL: it is not there; anything else than a text is a mistake, and
 * said. */
const char *change_text(struct change *c, const char *name);
/* Answers with an error; returns false. */
bool change_refuse(struct change *c, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Who it is by what he showed: his token, his certificate, the user that the kernel names.
 * Empty: nobody was asked to show anything. */
void change_who(const struct admin_peer *p, char out[CHANGE_WHO_LEN]);
/* Sets or, with an empty text, leaves by and reason of the entry. */
bool change_sign(struct change *c, json_t *entry);
/* Records and puts `after` in the place of `before` (NULL: a new one). False: it was answered
 * why not. What ends a key or an override is done whatever the disk says, and said so. */
bool change_put(struct change *c, json_t *before, json_t *after);

/* Records a change that was made elsewhere, and by whom (NULL: by a file that changed), without
 * waiting: it is written when the disk takes it. Takes before and after, either may be NULL. */
void change_told(struct server *s, const struct admin_peer *peer, const char *what,
	const char *verb, const char *id, json_t *before, json_t *after);
/* Records a sum of readings, as allowances_record_fn. */
int change_summed(struct server *s, const struct admin_peer *peer, json_t *after, bool last);
/* Of what is not refused by its record, or has none but a line of the log: in how many seconds
 * it is within its caller's share of changes. 0: now, and it is counted. */
unsigned change_wait(struct server *s, const struct admin_peer *peer, size_t bytes);
struct admin_tokens;
/* The tokens' file has changed: a record for each that is new, changed, revoked or gone. Either
 * may be NULL. */
void change_tokens(
	struct server *s, const struct admin_tokens *before, const struct admin_tokens *after);

int64_t change_time(const json_t *entry, const char *name);
void change_set_time(json_t *entry, const char *name, int64_t wall_ns);
/* The duration or time in those members, as a wall time in *ns, 0: never; *given: one of them
 * is there. False: refused. */
bool change_until(struct change *c, const char *ttl, const char *at, int64_t *ns, bool *given);

#endif
