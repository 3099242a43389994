/* An answer in another form has three parts: its reader says what came, by the rows of the
 * provider's format (answer_read.c); one order is made of that (answer_order.c); a writer for
 * each form writes it (answer_chat.c, answer_messages.c). A form more is a writer, and rows in
 * answer_stops.c. Private to translate/. */
#ifndef ANSWER_TRANSLATE_ANSWER_PRIVATE_H
#define ANSWER_TRANSLATE_ANSWER_PRIVATE_H

#include <sys/queue.h>

#include "answer/calls/calls_private.h"
#include "answer/event_template.h"
#include "answer/translate/answer.h"

/* ---- what came: answer_read.c ---- */

enum said_kind { SAID_TEXT, SAID_REASONING, SAID_REFUSAL, SAID_CALL, SAID_KINDS, SAID_STOP };

struct said {
	enum said_kind is;
	unsigned char rank; /* among those of an event whose members have no order */
	uint32_t choice; /* of the answer, by the provider's number */
	uint32_t number; /* the provider's, of a call, or of a block where its format has those
			  */
	bool numbered;	 /* it says so; else it is a place in a list */
	bool each;	 /* it is a call by itself, of a format that counts none */
	bool custom;	 /* a call of a custom tool: its text is no JSON, but what the tool takes */
	/* A stream says all of it again: of use where nothing else has said it; or a part of
	 * it, which something else is to say. */
	enum said_copy { SAID_ONCE, SAID_AGAIN, SAID_PARTLY } copy;
	struct span id, name; /* of a call, where this piece says them */
	struct span text;     /* a call's is its arguments, as JSON; SAID_STOP: the reason */
};

/* One event of a stream, or a whole answer. */
struct said_all {
	struct span type;
	struct span id, model; /* empty: it does not say */
	struct said *v;	       /* by rank, else in the order of the bytes */
	size_t n, room, stops; /* so many of them are SAID_STOP */
	bool is_error;
	bool counts;	 /* it may say usage */
	bool unnumbered; /* an item of responses, without its number */
	bool ends;	 /* the block of this number */
	uint32_t ended;
	bool last; /* nothing comes after it */
	unsigned losses; /* members that no other form has: bits, by enum translate_loss */
	struct span message;
	const char *code; /* of an error; NULL: it has none that we may write */
};

/* All of it lives in the arena. 0, ERR_NOMEM, or ERR_SYNTAX with *why. */
int answer_said(enum form form, const struct answer_format *f, bool whole, struct span event,
	struct span json, struct arena *a, struct said_all *out, const char **why);
/* Whether the event of a stream says one piece of text, or of arguments, and nothing else: *s.
 * What is asked of one is where it is said alone. */
bool answer_said_plain(
	const struct answer_format *f, const struct answer_document *d, struct said *s);
/* The message and the code of an error document, or event, of any family's. */
int answer_said_error(struct span json, struct arena *a, struct said_all *out);

/* ---- why it ended: answer_stops.c ---- */

enum answer_stop {
	STOP_NONE,
	STOP_END,
	STOP_SEQUENCE,
	STOP_CALLS,
	STOP_LENGTH,
	STOP_WINDOW, /* of what the model reads, too */
	STOP_REFUSAL,
	STOP_MALFORMED, /* the model wrote a call that is none */
	STOP_ODD,     /* for a reason that only its provider has */
	STOP_NOT_YET, /* a word that says that it goes on */
};
/* STOP_NONE: the form has no such word, or it is one that no other form has. */
enum answer_stop answer_stop_of(enum form f, struct span word);
const char *answer_stop_word(enum form f, enum answer_stop stop);

/* ---- what is written ---- */

/* A run of one kind, or a call. */
struct answer_block {
	TAILQ_ENTRY(answer_block) all;
	enum said_kind is;
	uint32_t number;     /* the provider's */
	unsigned place;	     /* ours, of a call among calls */
	struct buf id, name; /* a call's */
	const struct tool_alias *as; /* of the call's tool; NULL: it has the name that the caller gave */
	struct buf text;     /* of a call all of it; else what has not gone */
	struct buf half;     /* of a pair of surrogates, without the other one */
	size_t gone;	     /* bytes of a call's text that were written */
	size_t looked;	     /* bytes of it that `end` knows */
	struct call_end end;
	bool open, over;
	bool custom; /* as of what was said */
	bool seen, half_call; /* once it was over */
	bool half_written;    /* the response was cut in this call, and it is written so */
};

/* A call of a custom tool, whose caller takes a text. */
static inline bool
is_custom_call(const struct answer_block *b)
{
	return b->as && b->as->custom;
}

/* A form's, all into t->out. Of a stream one block is open at a time, and its text comes in
 * pieces; of a whole answer each block comes once, with all of its text. */
struct answer_writer {
	const char *media_type;		  /* of a stream */
	const char *message_id, *call_id; /* what ids begin with, where none came */
	/* How it writes usage, as json_put_form(); [] where that is not 0. Totals: %i input, %o
	 * output, %t both, %c cached, %w written to the cache, %r reasoned. Each token once: %I
	 * input, %C cached, %W written; %O output that was not reasoned. */
	const char *usage;
	void (*begin)(struct translator *t);  /* NULL, here and below: says nothing */
	void (*choice)(struct translator *t); /* one begins */
	void (*open)(struct translator *t, const struct answer_block *b);
	void (*text)(struct translator *t, const struct answer_block *b, struct span text);
	void (*close)(struct translator *t, const struct answer_block *b);
	void (*end)(struct translator *t);
	void (*whole_block)(struct translator *t, const struct answer_block *b);
	void (*whole)(struct translator *t);
	bool joins;	  /* clients join the texts of its blocks */
	bool refusals;	  /* it has a place for them; else that is why it ended */
	bool text_arguments; /* arguments are a text, which may be half a call's */
	bool whole_calls; /* a call goes whole, as one text, or not at all, also in a stream */
};
extern const struct answer_writer answer_write_chat, answer_write_responses,
	answer_write_messages, answer_write_generate, answer_write_converse;

enum { TRANSLATOR_MISSES = 8 }; /* so many in a row: nothing more is read so */

enum { ORDER_ITEMS = 1024, ORDER_WORDS = 2 * ORDER_ITEMS / 64 };

/* One of several answers to the same request; most forms have one. */
struct answer_choice {
	unsigned index;
	bool begun;
	/* answer_order.c */
	TAILQ_HEAD(answer_blocks, answer_block)
	blocks; /* the first one is open, the others wait */
	size_t nblocks;
	uint32_t calls; /* that have begun */
	uint32_t hidden; /* of them, of tools that the caller did not offer */
	uint32_t last_number; /* of a block that has begun, where blocks have numbers */
	/* Items that were said, by number and whether they are calls; before the event that is
	 * read; and those that were said in part by a copy. */
	uint64_t met[ORDER_WORDS], before[ORDER_WORDS], partly[ORDER_WORDS];
	bool unnumbered;	 /* items have no numbers here */
	unsigned kinds;		 /* of blocks, that were begun: bits */
	enum said_kind last;	 /* of them */
	uint64_t ids[CAP_CALLS]; /* of calls, hashed */
	enum answer_stop stop;
	/* of writers */
	struct buf parts[SAID_KINDS]; /* of a whole answer */
	bool refused;		      /* a text of SAID_REFUSAL was written */
};

/*  NEW → BEGUN → ENDED     what the provider has at its end has come, and went
 *   └──────┴──→ FAILED     it cannot be translated, or the provider's error was said */
enum translator_state { TRANSLATOR_NEW, TRANSLATOR_BEGUN, TRANSLATOR_ENDED, TRANSLATOR_FAILED };

struct translator {
	struct translate_plan plan;
	const struct answer_writer *writer;
	bool streamed;
	int status;
	enum translator_state state;
	int err; /* what feeding it comes to from now on */
	const char *why;
	struct arena work; /* of the document that is read */
	struct {	   /* what is read of it */
		bool streamed;
		struct frames frames;
		struct event_template like; /* the last event that said a text alone */
		unsigned misses; /* events since then that were read by it, and were none */
		struct buf body; /* of a whole answer */
		struct usage usage;
	} in;
	struct answer_choice *choices, *choice; /* as many as may come; that of what is read */
	size_t nchoices, held;			/* bytes that wait in their blocks */
	/* of writers */
	struct buf *out;
	struct buf id, model;
	bool ends; /* it is the end of all that is written */
	struct buf head; /* with which each event begins */
	unsigned blocks; /* that were written */
	uint64_t events; /* likewise, of a form that counts them */
	bool error_said;
	unsigned losses; /* bits, by enum translate_loss */
};

extern const char translator_again[]; /* why: something comes after its end */
/* By the writer's `usage`. */
void translator_put_usage(const struct translator *t, const struct usage *u, struct buf *b);
/* Why it ended, in the caller's word. */
const char *translator_stop_word(const struct translator *t);
/* It cannot be translated. The error. */
int translator_fail(struct translator *t, int err, const char *why);
/* What follows is of this one. */
int answer_choose(struct translator *t, uint32_t choice);
/* Those that have begun, each as t->choice, until one fails. */
void answer_each_choice(struct translator *t, void (*each)(struct translator *t));
/* An event follows: what came before it is known. */
void answer_order_event(struct translator *t, const struct said_all *all);
/* 0, or translator_fail(). */
int answer_order(struct translator *t, const struct said *s);
/* The provider says that the block of this number is over. */
int answer_order_ended(struct translator *t, uint32_t number);
int answer_order_stop(struct translator *t, const struct said *s);
/* All has come: what is left is written, and the end. */
int answer_order_last(struct translator *t);
void answer_order_free(struct translator *t);

/* embeddings.c: of an answer that is whole. 0, or translator_fail(). */
int answer_vectors(struct translator *t, struct span json);

#endif
