/* Calls of the running daemon over the admin socket that tollgate.yaml names. The first
 * part makes one HTTP call. The second part is a command that makes a call with named
 * parameters. The third part prints tables. */
#ifndef CMD_DAEMON_ADMIN_H
#define CMD_DAEMON_ADMIN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec/json_text.h"

enum { ADMIN_ANSWER_BYTES = 64 << 20 }; /* room for a list of all keys made at run time */

/* One call. All pointers are borrowed for its duration. */
struct admin_call {
	const char *socket, *page;
	bool post;
	const char *body;	/* body of a POST; NULL: empty */
	long most_s;		/* timeout in seconds; 0: two minutes */
	bool (*given_up)(void); /* polled while the call waits; true ends the call; NULL: never */
};

/* Makes the call and appends the response's body to `out`. Returns the HTTP status, or 0 if
 * no response arrived: admin_ask() then appends the reason to *why, and admin_ask_or_say()
 * prints it. */
long admin_ask(const struct admin_call *c, struct buf *out, struct buf *why);
/* Posts the JSON object `in` (NULL: sends a GET). Retries for a while if the daemon reports
 * that this user sends too many requests, as a script that makes many keys does. *response gets
 * the response, owned by the caller, or NULL if it is not JSON. Returns the status as
 * admin_ask() does. */
long admin_ask_json(
	const char *socket, const char *page, const json_t *in, json_t **response, struct buf *why);
long admin_ask_or_say(const char *what, const struct admin_call *c, struct buf *out);
/* Posts a JSON object, which stays the caller's (NULL: sends a GET), to the daemon of this
 * configuration. Returns the response, an object that the caller owns. Returns NULL after a
 * message, with *code EXIT_NO if the daemon refused, else EXIT_CANNOT. */
json_t *admin_call_json(
	const char *what, const char *config, const char *page, const json_t *in, int *code);
/* Calls the daemon at this socket, as admin_call_json() does. */
json_t *admin_call_at(
	const char *what, const char *socket, const char *page, const json_t *in, int *code);
/* Prints JSON in ASCII, so that no text in it can control a terminal. Returns an exit code. */
int admin_print_json(const char *what, const json_t *o);

/* ---- a command that makes a call ---- */

/* A command with the options of ADMIN_OPTIONS and one call. Owned by the command's
 * function. */
struct admin_cmd {
	const char *what;		  /* the prefix of its messages, such as "key" */
	const char *config, *by, *reason; /* options of ADMIN_OPTIONS; NULL: not given */
	bool json;
	json_t *in; /* parameters of the call, owned; NULL: none, the call is a GET */
	bool wrong; /* a parameter was wrong; a message was printed, and no call is made */
	int code;   /* the exit code, valid after the call */
};

/* clang-format off */
#define ADMIN_OPTIONS(c) \
	{ "c", .text = &(c)->config }, { "by", .text = &(c)->by }, \
	{ "reason", .text = &(c)->reason }, { "json", .flag = &(c)->json }
/* clang-format on */

/* Adds a parameter and takes ownership of `value`. A NULL value means that a text was not
 * UTF-8, which is reported. */
void admin_give(struct admin_cmd *c, const char *name, json_t *value);
/* Adds a text parameter, unless `text` is NULL. */
void admin_give_text(struct admin_cmd *c, const char *name, const char *text);
/* Adds the end of a validity, unless `text` is NULL: a duration such as 7d as the parameter
 * ttl, a date or time with its zone as the parameter `name`. */
void admin_give_end(struct admin_cmd *c, const char *name, const char *text);
/* Returns the list of the texts in "a, b", or NULL if they are not UTF-8. */
json_t *admin_texts(const char *text);
/* Makes the call. A call that changes something includes the user's name and reason.
 * Returns the response, an object that the caller owns, or NULL after a message. */
json_t *admin_answer(struct admin_cmd *c, const char *page);
/* Makes a call that changes something, and prints the result as "tollgate: target NAME is
 * DONE" or as JSON. Returns c->code. */
int admin_change(struct admin_cmd *c, const char *page, const char *done);
/* Prints to stderr that a change was made at run time, such as "tollgate: key ID is
 * revoked". */
int admin_changed(const char *what, const json_t *answer, const char *done);

/* ---- tables ---- */

/* A column of a table. Cells are printed without control characters and are followed by a
 * space. */
struct admin_column {
	const char *heading;
	int width;		 /* width in columns; negative: aligned right; 0: as long as
				  * the text */
	const char *name, *none; /* the member, a text or a number; the text if it is missing */
	/* formats the cell; NULL: prints the member */
	void (*put)(struct buf *cell, const json_t *row, const char *name);
	bool bare; /* no space follows */
};
/* Formats the row's member as an amount of what the limit counts; a limit in dollars gets a
 * price. */
void admin_put_amount(struct buf *cell, const json_t *row, const char *name);
/* Prints the rows below their headings, or with `as_json` the list itself. A heading that
 * is NULL ends the columns. Returns an exit code. */
int admin_print_table(
	const char *what, const struct admin_column *columns, const json_t *list, bool as_json);

/* A list that the daemon returns and how to print it. */
struct admin_list {
	const char *page,
		*member; /* the page, and the member of the response that is the list */
	const struct admin_column *columns;
	const char *without; /* "no key can be made" if that needs a state_key; NULL: no need */
};
/* Makes the call and prints the list. Returns c->code. */
int admin_list(struct admin_cmd *c, const struct admin_list *l);

/* Returns the path of the admin socket, in the arena, or NULL after a message. `named` is
 * the file of -c, or NULL. */
const char *admin_socket(const char *what, const char *named, struct arena *a);

/* Appends what keeps requests from a target, from an entry of /status or /recent, such as
 * "open, tried in 3.2 s; ...". Returns false and appends nothing if the target gets
 * requests. */
bool admin_target(struct buf *b, const json_t *target);
/* Appends what a provider did, from an entry of /status or /recent. */
void admin_provider(struct buf *b, const json_t *provider);

/* Appends ", 4 wait for a response, the oldest for 93 s: …" if requests wait for a provider. */
void admin_awaited(struct buf *out, const json_t *awaited);
/* Appends the request, how long it has waited, and for which provider and model. */
void admin_awaited_one(struct buf *out, const json_t *one);

#endif
