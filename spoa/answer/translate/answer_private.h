/* The parts of a translator, private to translate/. answer_read.c interprets the input by the
 * rows of the provider's format. answer.c puts the pieces into one order. A writer per form
 * writes that order (answer_write.c). A new form needs a writer, and finish reasons in
 * answer_read.c. */
#ifndef ANSWER_TRANSLATE_ANSWER_PRIVATE_H
#define ANSWER_TRANSLATE_ANSWER_PRIVATE_H

#include <sys/queue.h>

#include "answer/calls/calls_private.h"
#include "answer/event_template.h"
#include "answer/translate/answer.h"

/* ---- input: answer_read.c ---- */

enum said_kind { SAID_TEXT, SAID_REASONING, SAID_REFUSAL, SAID_CALL, SAID_KINDS, SAID_STOP };

/* A piece of the response. In the arena of its event. */
struct said {
	enum said_kind is;
	unsigned char rank; /* order within an event whose members have no order */
	uint32_t choice;    /* the provider's number of the choice */
	/* the provider's number of a call, or of a block if the format has such numbers */
	uint32_t number;
	bool numbered; /* the number was stated; else it is a place in a list */
	bool each;     /* a complete call, in a format that does not number calls */
	/* a call of a custom tool: its text is not JSON, but the tool's input */
	bool custom;
	/* SAID_AGAIN: the stream repeats the whole, which is used if it was not sent before.
	 * SAID_PARTLY: a part of a text that another event must carry. */
	enum said_copy { SAID_ONCE, SAID_AGAIN, SAID_PARTLY } copy;
	struct span id, name; /* a call's, if this piece has them */
	struct span text;     /* a call's arguments as JSON; SAID_STOP: the reason */
};

/* One event of a stream, or a whole response. */
struct said_all {
	struct span type;
	struct span id, model; /* empty: not stated */
	struct said *v;	       /* by rank, then in the order of the bytes */
	size_t n, room, stops; /* stops: how many are SAID_STOP */
	bool is_error;
	bool counts;	 /* may report usage */
	bool unnumbered; /* an item of the Responses API without its number */
	bool ends;	 /* the block with the number `ended` ends */
	uint32_t ended;
	bool last;	 /* the last event of the response */
	unsigned losses; /* members that no other form has: bit N is enum translate_loss N */
	struct span message;
	const char *code; /* an error's code; NULL: none that may be written */
};

/* Reads an event or a whole response. Results are in the arena. Returns 0, ERR_NOMEM, or
 * ERR_SYNTAX with the reason in *why. */
int answer_said(enum form form, const struct answer_format *f, bool whole, struct span event,
	struct span json, struct arena *a, struct said_all *out, const char **why);
/* Returns true if the event carries one piece of text or of arguments and nothing else, and
 * sets *s. */
bool answer_said_plain(
	const struct answer_format *f, const struct answer_document *d, struct said *s);
/* Reads the message and the code of an error document or event, in any provider's form. */
int answer_said_error(struct span json, struct arena *a, struct said_all *out);

/* ---- finish reasons: answer_read.c ---- */

/* Reasons why a response ended, in any form. */
enum answer_stop {
	STOP_NONE,
	STOP_END,
	STOP_SEQUENCE,
	STOP_CALLS,
	STOP_LENGTH,
	STOP_WINDOW, /* the limit covers what the model reads, too */
	STOP_REFUSAL,
	STOP_MALFORMED, /* the model wrote an invalid call */
	STOP_ODD,	/* a reason that only one provider has */
	STOP_NOT_YET,	/* a word that means that the response continues */
};
/* answer_stop_of() returns STOP_NONE if the form does not have the word, or no other form has
 * the reason. answer_stop_word() returns the form's word. */
enum answer_stop answer_stop_of(enum form f, struct span word);
const char *answer_stop_word(enum form f, enum answer_stop stop);

/* ---- output ---- */

/* A run of text of one kind, or a call. Owned by its choice; at most CAP_CALLS wait. */
struct answer_block {
	TAILQ_ENTRY(answer_block) all;
	enum said_kind is;
	uint32_t number;	     /* the provider's number */
	unsigned place;		     /* our number of a call among the calls */
	struct buf id, name;	     /* a call's */
	const struct tool_alias *as; /* alias of the call's tool; NULL: the caller's name */
	struct buf text; /* a call's whole text; else text that was not written yet */
	struct buf half; /* an unpaired half of a surrogate pair */
	size_t gone;	 /* bytes of a call's text that were written */
	size_t looked;	 /* bytes of a call's text that `end` covers */
	struct call_end end;
	bool open, over;
	bool custom;	      /* a custom tool's call, as in a piece */
	bool seen, half_call; /* results of one check after the end */
	/* the response was cut in this call, which is written incomplete */
	bool half_written;
};

/* Returns true for a call of a custom tool, whose caller takes a text. */
static inline bool
is_custom_call(const struct answer_block *b)
{
	return b->as && b->as->custom;
}

/* Functions that write a form into t->out. In a stream one block is open at a time, and its
 * text comes in pieces. In a whole response each block comes once, with all of its text. */
struct answer_writer {
	const char *media_type;		  /* media type of a stream */
	const char *message_id, *call_id; /* beginnings of ids, if the provider sent none */
	/* Form of usage for json_put_form(); a part in [] is written if it is not 0. Totals: %i
	 * input, %o output, %t both, %c cached, %w written to the cache, %r reasoning. With
	 * each token counted once: %I input, %C cached, %W written to the cache, %O output
	 * without reasoning. */
	const char *usage;
	void (*begin)(struct translator *t);  /* NULL, here and below: writes nothing */
	void (*choice)(struct translator *t); /* a choice begins */
	void (*open)(struct translator *t, const struct answer_block *b);
	void (*text)(struct translator *t, const struct answer_block *b, struct span text);
	void (*close)(struct translator *t, const struct answer_block *b);
	void (*end)(struct translator *t);
	void (*whole_block)(struct translator *t, const struct answer_block *b);
	void (*whole)(struct translator *t);
	bool joins; /* clients join the texts of its blocks */
	/* the form has a place for refusals; else a refusal is a finish reason */
	bool refusals;
	bool text_arguments; /* arguments are a text, which may be incomplete */
	bool whole_calls;    /* a call is written complete, as one text, also in a stream */
};
/* answer_write.c: returns the writer of a form; NULL: the form has no conversations. */
const struct answer_writer *answer_writer_of(enum form f);

/* misses in a row after which the template is no longer tried */
enum { TRANSLATOR_MISSES = 8 };

enum { ORDER_ITEMS = 1024, ORDER_WORDS = 2 * ORDER_ITEMS / 64 };

/* One of the choices of a response; most forms have one. */
struct answer_choice {
	unsigned index;
	bool begun;
	/* answer.c */
	TAILQ_HEAD(answer_blocks, answer_block)
	blocks; /* the first block is open, the others wait */
	size_t nblocks;
	uint32_t calls;	      /* calls that have begun */
	uint32_t hidden;      /* calls of tools that the caller did not offer */
	uint32_t last_number; /* number of the last block that began, if blocks have numbers */
	/* Bit sets of items, by number and by whether they are calls: met so far, met before
	 * the current event, and partly sent by a copy. */
	uint64_t met[ORDER_WORDS], before[ORDER_WORDS], partly[ORDER_WORDS];
	bool unnumbered;	 /* items have no numbers */
	unsigned kinds;		 /* bit N: a block of this kind has begun */
	enum said_kind last;	 /* kind of the last block */
	uint64_t ids[CAP_CALLS]; /* hashes of the calls' ids */
	enum answer_stop stop;
	/* memory of the writers */
	struct buf parts[SAID_KINDS]; /* text per kind, of a whole response */
	bool refused;		      /* a text of SAID_REFUSAL was written */
};

/* States:
 *
 *    NEW → BEGUN → ENDED     the end of the provider's response was read and written
 *    └──────┴──→ FAILED      the input cannot be translated, or an error was written */
enum translator_state { TRANSLATOR_NEW, TRANSLATOR_BEGUN, TRANSLATOR_ENDED, TRANSLATOR_FAILED };

/* One response. Freed with translator_drop(). */
struct translator {
	struct translate_plan plan;
	const struct answer_writer *writer;
	bool streamed;
	int status;
	enum translator_state state;
	int err; /* result of all later calls; 0: none */
	const char *why;
	struct arena work; /* memory for the current document */
	struct {	   /* the input */
		bool streamed;
		struct frames frames;
		struct event_template like; /* the last event that had a text alone */
		unsigned misses;	    /* later events that did not match it */
		struct buf body;	    /* the bytes of a whole response */
		struct usage usage;
	} in;
	struct answer_choice *choices, *choice; /* all choices, and the current one */
	size_t nchoices, held;			/* bytes that wait in blocks */
	/* memory of the writers */
	struct buf *out;
	struct buf id, model;
	bool ends;	 /* the end of the output is being written */
	struct buf head; /* beginning of each event */
	unsigned blocks; /* blocks that were written */
	uint64_t events; /* events that were written, in a form that counts them */
	bool error_said;
	unsigned losses; /* bit N: enum translate_loss N */
};

/* Appends usage in the form of the writer's `usage`. */
void translator_put_usage(const struct translator *t, const struct usage *u, struct buf *b);
/* Returns the finish reason in the caller's form. */
const char *translator_stop_word(const struct translator *t);
/* Calls the function for each choice that has begun, as t->choice, until one fails. */
void answer_each_choice(struct translator *t, void (*each)(struct translator *t));
/* Notes that the input cannot be translated. Returns `err`. */
int translator_fail(struct translator *t, int err, const char *why);

/* embeddings.c: translates a whole response. Returns 0, or translator_fail(). */
int answer_vectors(struct translator *t, struct span json);

#endif
