/* Every change at run time, such as a new key or another limit: first its record is written,
 * then the change is made, then other daemons learn of it through Redis. The functions run on
 * admin threads unless stated otherwise. */
#ifndef OPERATOR_ADMIN_CHANGE_H
#define OPERATOR_ADMIN_CHANGE_H

#include "gate/changes/live.h"
#include "operator/admin/calls.h"

enum { CHANGE_WHO_LEN = 80 };

/* One change while it is made. owner: the thread that calls change_call() */
struct change {
	struct server *s;
	const struct admin_peer *peer;
	json_t *in; /* the parameters, with `by` and `reason` */
	/* the response */
	struct buf *out;
	enum live_kind kind;
	/* name of the kind in the record; for changes without an entry, a word of its own */
	const char *what;
	const char *verb; /* "new", "revoke" and so on, in the record */
	bool unwaited;	  /* the change was made already, so nobody waits for its record */
	bool reads;	  /* the call only reads, so its record has the type "read" */
	/* beyond the caller's limit, the reading is added to a sum (verb, records) */
	bool may_sum;
	/* the change is such a sum of changes */
	bool is_sum;
	bool is_over; /* the reading took place already, so it is not refused */
	/* the first record was within the limit, so further ones of this change are not counted
	 */
	bool let_in;
	/* seconds until the caller's limit permits the change; 0: not refused for it */
	unsigned wait_s;
	unsigned status; /* status of the response */
	json_t *answer;	 /* body of the response if everything succeeds */
	/* state that the row's make() leaves for its done(), and how it is freed; NULL: none */
	void *state;
	void (*drop)(void *state);
};

/* Prepares a change: stores the entry as it is (NULL: none) in *before and as it shall be in
 * *after; the caller frees both. Returns false if nothing shall be changed, because the call
 * was answered or the state is already as wished. */
typedef bool change_make_fn(struct change *c, json_t **before, json_t **after);
/* A call that makes a change, as a row of the table of endpoints. */
struct change_row {
	/* name of a change without an entry, which lasts until the process ends; NULL: an entry
	 * of `kind` */
	const char *what;
	enum live_kind kind;
	const char *verb;
	change_make_fn *make;
	/* Performs a change without an entry after it was recorded, or completes the response
	 * for an entry; NULL: not needed. */
	void (*done)(struct change *c, const json_t *after);
};
/* Makes the change of this row and writes the response. Returns the HTTP status. */
unsigned change_call(const struct change_row *row, struct server *s,
	const struct admin_peer *peer, json_t *in, struct buf *out);

/* All take `by` and `reason`. new: members of a key, ttl or expires; the response contains the
 * key's text, which is never shown again. change: id, and members with new values (null removes
 * one). rotate: id, overlap, ttl. revoke: id, also of a key in a file. */
extern const struct change_row admin_key_new, admin_key_change, admin_key_rotate,
	admin_key_revoke;
/* set: limit, for (an object), to, until or ttl. clear: id, or limit and for. */
extern const struct change_row admin_limit_set, admin_limit_clear;
/* server, kind, name; hash with at least 32 digits; only: approvals of other texts end; none,
 * without a hash: no text is approved. */
extern const struct change_row admin_tool_approve;
/* command ("audit list"), asked (an object with the parameters), records (how many were shown),
 * follow ("begin" or "end"). Records that somebody has read records; changes nothing. */
extern const struct change_row admin_read;
/* text: returns its keyed hash as id, for searches. */
extern const struct change_row admin_text_hash;
/* person: returns the pseudonym that records use for the name; 404: none. */
extern const struct change_row admin_pseudonym;
/* object (record/proof/export.h): returns it signed with the journal's key, as manifest. The
 * signature is recorded first. */
extern const struct change_row admin_export;

/* Writes all entries of a kind under `name`, each with the state that state_of() returns;
 * entries with state NULL are left out. Returns the status. */
unsigned change_list(struct server *s, enum live_kind kind, const char *name,
	const char *(*state_of)(const json_t *entry), struct buf *out);
/* Returns the member's text, or NULL if it is absent. If the member is not a text, the call is
 * answered with an error. */
const char *change_text(struct change *c, const char *name);
/* Answers with an error and returns false. */
bool change_refuse(struct change *c, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Writes who the caller is by their credentials: the token's or certificate's name, or the user
 * that the kernel reports. Empty: the door required no credentials. */
void change_who(const struct admin_peer *p, char out[CHANGE_WHO_LEN]);
/* Sets `by` and `reason` of the entry; an empty text removes the member. Returns false if the
 * call was answered with an error. */
bool change_sign(struct change *c, json_t *entry);
/* Records the change and stores `after` in place of `before` (NULL: a new entry). Returns false
 * if the call was answered with the reason. A change that ends a key or an override is made
 * even if it cannot be recorded; the response reports this. */
bool change_put(struct change *c, json_t *before, json_t *after);

/* Records a change that was made elsewhere, without waiting. `peer` is NULL if a changed file
 * caused it. The record is written once the disk accepts it. Takes ownership of both
 * objects, which may be NULL. */
void change_told(struct server *s, const struct admin_peer *peer, const char *what,
	const char *verb, const char *id, json_t *before, json_t *after);
/* Records a sum of readings; see allowances_record_fn. */
int change_summed(struct server *s, const struct admin_peer *peer, json_t *after, bool last);
/* Checks the caller's limit for a change whose record cannot refuse it, or which is only
 * logged. Returns the seconds to wait, or 0 if the change is within the limit and was counted.
 */
unsigned change_wait(struct server *s, const struct admin_peer *peer, size_t bytes);
struct admin_tokens;
/* Records each token that is new, changed, revoked or removed in the tokens' file. Either
 * argument may be NULL. */
void change_tokens(
	struct server *s, const struct admin_tokens *before, const struct admin_tokens *after);

/* Returns the time in this member in ns, or 0 if the member is absent or invalid. */
int64_t change_time(const json_t *entry, const char *name);
/* Sets the member to a time in whole seconds, or removes it if wall_ns is 0. */
void change_set_time(json_t *entry, const char *name, int64_t wall_ns);
/* Reads a duration or time from the two members and stores it as a wall time in *ns (0: never).
 * *given is true if one of them is present. Returns false if the call was answered with an
 * error. */
bool change_until(struct change *c, const char *ttl, const char *at, int64_t *ns, bool *given);

#endif
