/* Questions to the running daemon, by the admin socket that the configuration names. */
#ifndef CMD_DAEMON_ADMIN_H
#define CMD_DAEMON_ADMIN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec/json_text.h"

enum { ADMIN_ANSWER_BYTES = 64 << 20 }; /* all keys made at run time */

struct admin_call {
	const char *socket, *page;
	bool post;
	const char *body;	/* of a post; NULL: none */
	long most_s;		/* 0: two minutes */
	bool (*given_up)(void); /* asked while it waits; NULL: never */
};

/* The status of the answer, or 0 with the reason in *why; or after a message with it. */
long admin_ask(const struct admin_call *c, struct buf *out, struct buf *why);
long admin_ask_or_say(const char *what, const struct admin_call *c, struct buf *out);
/* Posts a JSON object, which stays the caller's, and takes the answer: an object, the caller's.
 * NULL after a message, with EXIT_NO in *code where the daemon refused, else EXIT_CANNOT.
 * `in` NULL: a GET. */
json_t *admin_call_json(
	const char *what, const char *config, const char *page, const json_t *in, int *code);
/* A text of the object, where it is given; false: it is not UTF-8, which is said. */
bool admin_set_text(const char *what, json_t *o, const char *name, const char *text);
/* What came of a change at run time, on standard error: "tollgate: key ID is revoked …". */
int admin_changed(const char *what, const json_t *answer, const char *done);
/* A text of a JSON object in a column of a table, as a terminal may have it. */
void admin_cell(
	struct buf *b, const json_t *o, const char *name, int width, const char *otherwise);
/* JSON, as ASCII: whatever is in it, a terminal obeys nothing. An exit code. */
int admin_print_json(const char *what, const json_t *o);
/* Rows of a table below its head, or with `as_json` the list of them. An exit code. */
int admin_print_rows(const char *what, const json_t *list, bool as_json, const char *head,
	void (*put_row)(struct buf *b, const json_t *row));
/* The admin socket, in the arena; NULL after a message. `named`: the configuration of -c, or
 * NULL. */
const char *admin_socket(const char *what, const char *named, struct arena *a);

/* What keeps requests from a target, of a /status or /recent: "open, tried in 3.2 s; …". False:
 * nothing does. */
bool admin_target(struct buf *b, const json_t *target);
/* What a provider did, of a /status or /recent: "3 under way, 120 answers, 34 errors, …". */
void admin_provider(struct buf *b, const json_t *provider);

#endif
