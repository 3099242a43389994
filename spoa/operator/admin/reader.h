/* Endpoints that a child answers (child.h): a row says which commands run and how what they say
 * becomes the answer. Each parameter of the endpoint that was given becomes one argument,
 * --NAME=VALUE, after endpoint.c held it against its row: nothing of a caller is an option. */
#ifndef OPERATOR_ADMIN_READER_H
#define OPERATOR_ADMIN_READER_H

#include "operator/admin/child.h"
#include "operator/admin/endpoint.h"

enum reader_shape {
	READ_OBJECT, /* one JSON value: the answer itself, or a member */
	READ_LINES,  /* a JSON value a line: a list. A last line {"after": …} is beside it */
	READ_TEXT,   /* a member that is a text */
};

enum { READER_STEPS = 2, READER_WORDS = 6 };

struct reader {
	struct reader_step {
		const char *command[READER_WORDS]; /* words and fixed options; NULL: no step */
		const char *member;		   /* NULL: the answer is what it says */
		enum reader_shape shape;
		unsigned no; /* the status where the answer is no (exit 1); 0: as for yes */
		bool soft;   /* what it cannot do leaves its member null, with NAME_why */
	} step[READER_STEPS];
	/* The first step's member where this parameter is given. */
	struct {
		const char *param, *member;
	} other[2];
	const char *operand; /* the parameter that is one, after "--" */
	const char *input;   /* the parameter that is its input; "*": all of them, as JSON */
	bool records;	     /* it reads records: there is a record of it, or no answer */
	bool policy;	     /* it loads a policy (child.h: whole_environment) */
};

/* For the table: `arg` is the struct reader. */
admin_begin_fn reader_begin;

/* What the admin server has of it. */
struct children *admin_children(struct admin *a); /* NULL: it stops */
/* Where our own child asks, for whom. */
void reader_on_behalf(struct children *all, struct admin_peer *peer);
/* A child's read is on record: nothing else records it. */
void reader_told(struct children *all, const struct admin_peer *peer);

/* ---- one reading, for those that are not answered at once (verifying.c) ---- */

struct reading {
	struct child c;
	struct admin_peer peer; /* who asked */
	bool told;
	char *args[256];
	size_t nargs;
};
/* The arguments of a step; false: after a message in *why. */
bool reading_args(struct reading *r, const struct reader *row, size_t step,
	const struct param *params, const json_t *in, const char *config, struct buf *why);
void reading_args_free(struct reading *r);

#endif
