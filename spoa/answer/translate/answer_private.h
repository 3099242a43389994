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
	/* order of the pieces of one event, because JSON members have no order */
	unsigned char rank;
	uint32_t choice; /* the provider's number of the choice */
	/* the provider's number of a call, or of a block if the format has such numbers */
	uint32_t number;
	/* `number` was stated by the provider; false: it is the piece's place in a list */
	bool numbered;
	bool each; /* a complete call, in a format that does not number calls */
	/* a call of a custom tool: its text is not JSON, but the tool's input */
	bool custom;
	/* SAID_AGAIN: a repetition of a complete item, which is used only if the item was not
	 * sent before. SAID_PARTLY: a repeated part of a text; another event must carry the
	 * whole text. */
	enum said_copy { SAID_ONCE, SAID_AGAIN, SAID_PARTLY } copy;
	struct span id, name; /* id and name of a call, if this piece has them */
	/* the text; for a call, its arguments as JSON; for SAID_STOP, the reason */
	struct span text;
};

/* One event of a stream, or a whole response. */
struct said_all {
	struct span type;
	struct span id, model; /* empty: not stated */
	struct said *v;	       /* by rank, then in the order of the bytes */
	size_t n, room, stops; /* stops: the number of SAID_STOP pieces in v */
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
	unsigned place;		     /* the number that we give to the call, among all calls */
	struct buf id, name;	     /* of a call */
	const struct tool_alias *as; /* alias of the call's tool; NULL: the caller's name */
	/* for a call, its whole text; otherwise the text that was not written yet */
	struct buf text;
	struct buf half; /* an unpaired half of a surrogate pair */
	size_t gone;	 /* number of bytes of a call's text that were written */
	size_t looked;	 /* number of bytes of a call's text that `end` has scanned */
	struct call_end end;
	bool open, over;
	bool custom;	      /* a custom tool's call, as in a piece */
	bool seen, half_call; /* results of the check that runs once after the block's end */
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
	/* any of these functions may be NULL: then nothing is written */
	void (*begin)(struct translator *t);
	void (*choice)(struct translator *t); /* a choice begins */
	void (*open)(struct translator *t, const struct answer_block *b);
	void (*text)(struct translator *t, const struct answer_block *b, struct span text);
	void (*close)(struct translator *t, const struct answer_block *b);
	void (*end)(struct translator *t);
	void (*whole_block)(struct translator *t, const struct answer_block *b);
	void (*whole)(struct translator *t);
	bool joins; /* clients join the texts of all blocks of one kind */
	/* the form has a member for refusals; false: a refusal is a finish reason */
	bool refusals;
	/* arguments are written as a string, so they may be incomplete JSON */
	bool text_arguments;
	bool whole_calls; /* a call is written complete, as one text, also in a stream */
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
	struct buf parts[SAID_KINDS]; /* text of a whole response, for each kind of block */
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
		struct event_template like; /* the last event whose only content was a text */
		/* number of later events in a row that did not match this event */
		unsigned misses;
		struct buf body; /* the bytes of a whole response */
		struct usage usage;
	} in;
	struct answer_choice *choices, *choice; /* all choices, and the current one */
	size_t nchoices, held;			/* bytes that wait in blocks */
	/* memory of the writers */
	struct buf *out;
	struct buf id, model;
	bool ends;	 /* the end of the output is being written */
	struct buf head; /* the beginning that all events share */
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
