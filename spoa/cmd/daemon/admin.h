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
/* The same of a post of `in` (NULL: a GET), with the answer in *said, the caller's, NULL where
 * it is no JSON; again where this user is over his share, as a script is that makes many keys.
 */
long admin_ask_json(
	const char *socket, const char *page, const json_t *in, json_t **said, struct buf *why);
long admin_ask_or_say(const char *what, const struct admin_call *c, struct buf *out);
/* Posts a JSON object, which stays the caller's, and takes the answer: an object, the caller's.
 * NULL after a message, with EXIT_NO in *code where the daemon refused, else EXIT_CANNOT.
 * `in` NULL: a GET. */
json_t *admin_call_json(
	const char *what, const char *config, const char *page, const json_t *in, int *code);
/* The same at a socket. */
json_t *admin_call_at(
	const char *what, const char *socket, const char *page, const json_t *in, int *code);
/* JSON, as ASCII: whatever is in it, a terminal obeys nothing. An exit code. */
int admin_print_json(const char *what, const json_t *o);

/* ---- a command: what it asks, and what came of it ---- */

struct admin_cmd {
	const char *what;		  /* as its messages begin: "key" */
	const char *config, *by, *reason; /* of ADMIN_OPTIONS; NULL: not given */
	bool json;
	json_t *in; /* what is asked; NULL: nothing, it is a GET */
	bool wrong; /* what was given cannot be asked: said, and nothing is */
	int code;   /* what it ends with, once it has asked */
};

/* clang-format off */
#define ADMIN_OPTIONS(c) \
	{ "c", .text = &(c)->config }, { "by", .text = &(c)->by }, \
	{ "reason", .text = &(c)->reason }, { "json", .flag = &(c)->json }
/* clang-format on */

/* A member of what is asked, which takes the value; NULL is a text that is not UTF-8. */
void admin_give(struct admin_cmd *c, const char *name, json_t *value);
/* A text, where one is given. */
void admin_give_text(struct admin_cmd *c, const char *name, const char *text);
/* When it ends, where that is given: a duration (7d) as ttl, a date or a time with its zone as
 * `name`. */
void admin_give_end(struct admin_cmd *c, const char *name, const char *text);
/* "a, b" as a list; NULL: it is not UTF-8. */
json_t *admin_texts(const char *text);
/* Asks, and signs what changes something. The answer is an object, the caller's; NULL after a
 * message. */
json_t *admin_answer(struct admin_cmd *c, const char *page);
/* A change of all that is given: "tollgate: target NAME is out …", or its answer as JSON.
 * c->code. */
int admin_change(struct admin_cmd *c, const char *page, const char *done);
/* What came of a change at run time, on standard error: "tollgate: key ID is revoked …". */
int admin_changed(const char *what, const json_t *answer, const char *done);

/* ---- tables ---- */

/* Cells are texts as a terminal may have them, a space after each. */
struct admin_column {
	const char *heading;
	int width;		 /* below 0: to the right; 0: as long as it is */
	const char *name, *none; /* the member, a text or a number; what is there without */
	void (*put)(struct buf *cell, const json_t *row, const char *name); /* NULL: as it is */
	bool bare; /* no space after it */
};
/* What a limit counts, of the row's member: dollars as such. */
void admin_put_amount(struct buf *cell, const json_t *row, const char *name);
/* Rows below their headings, or with `as_json` the list of them. A heading NULL ends the
 * columns. An exit code. */
int admin_print_table(
	const char *what, const struct admin_column *columns, const json_t *list, bool as_json);

struct admin_list {
	const char *page, *member; /* of the answer, whose rows they are */
	const struct admin_column *columns;
	const char *without; /* a state_key: what cannot be; NULL: needs none */
};
/* Asks, and prints. c->code. */
int admin_list(struct admin_cmd *c, const struct admin_list *l);

/* The admin socket, in the arena; NULL after a message. `named`: the configuration of -c, or
 * NULL. */
const char *admin_socket(const char *what, const char *named, struct arena *a);

/* What keeps requests from a target, of a /status or /recent: "open, tried in 3.2 s; …". False:
 * nothing does. */
bool admin_target(struct buf *b, const json_t *target);
/* What a provider did, of a /status or /recent: "3 under way, 120 answers, 34 errors, …". */
void admin_provider(struct buf *b, const json_t *provider);

#endif
