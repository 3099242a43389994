/* Endpoints that a child process answers (child.h). A row names the commands, and how their
 * output becomes the response. Each parameter of the endpoint becomes one argument
 * --NAME=VALUE, after endpoint.c has checked it, so a caller cannot pass an option of their
 * own. */
#ifndef OPERATOR_ADMIN_READER_H
#define OPERATOR_ADMIN_READER_H

#include "operator/admin/child.h"
#include "operator/admin/endpoint.h"

/* How a step's output becomes part of the response. */
enum reader_shape {
	READ_OBJECT, /* one JSON value: the whole response, or a member */
	/* one JSON value per line, which become a list; a last line {"after": …} becomes a
	 * member of its own */
	READ_LINES,
	READ_TEXT, /* text, which becomes a string member */
};

enum { READER_STEPS = 2, READER_WORDS = 6 };

/* A row: one or two commands. */
struct reader {
	struct reader_step {
		/* the command's words and fixed options; NULL: no such step */
		const char *command[READER_WORDS];
		/* name of the member; NULL: the output is the whole response */
		const char *member;
		enum reader_shape shape;
		unsigned no; /* HTTP status for exit code 1 ("no"); 0: as for exit code 0 */
		/* if the command fails, the member is null and NAME_why has the reason */
		bool soft;
	} step[READER_STEPS];
	/* Another name for the first step's member if this parameter is given. */
	struct {
		const char *param, *member;
	} other[2];
	const char *operand; /* the parameter that becomes an operand, after "--" */
	/* the parameter that becomes standard input; "*": all parameters, as JSON */
	const char *input;
	/* the commands read records: the reading is recorded, or there is no response */
	bool records;
	bool policy; /* the commands load a policy (whole_environment in child.h) */
};

/* Handles a request by the row in `arg` of the endpoint (a struct reader). */
admin_begin_fn reader_begin;

/* The children of the admin server. */
struct children *admin_children(struct admin *a); /* NULL while it stops */
/* If the request comes from one of our children, replaces *peer by the caller on whose
 * behalf the child runs. */
void reader_on_behalf(struct children *all, struct admin_peer *peer);
/* Notes that a child has recorded its reading, so that the daemon does not record it again. */
void reader_told(struct children *all, const struct admin_peer *peer);

/* ---- a reading without a waiting connection (verifying.h) ---- */

/* One child with its arguments and caller. */
struct reading {
	struct child c;
	struct admin_peer peer; /* the caller */
	/* the child has recorded the reading */
	bool told;
	char *args[256];
	size_t nargs;
};
/* Makes the arguments of a step. Returns false with a message in *why. */
bool reading_args(struct reading *r, const struct reader *row, size_t step,
	const struct param *params, const json_t *in, const char *config, struct buf *why);
void reading_args_free(struct reading *r);

#endif
