/* The parts of `struct calls`, for the files of calls/. A dialect is two functions: `read`
 * notes which calls an event has pieces of, and which of them are over; `say` walks the same
 * event again, later, and changes it by what became of them. Only `read` says what is a piece:
 * `say` asks it (calls_of()), and what it does not ask about does not go where it would have
 * been changed. A whole answer is one event. */
#ifndef ANSWER_CALLS_CALLS_PRIVATE_H
#define ANSWER_CALLS_CALLS_PRIVATE_H

#include <sys/queue.h>

#include "answer/calls/calls.h"
#include "answer/calls/tree.h"
#include "answer/frame_write.h"
#include "base/scoped.h"
#include "base/sha256.h"

enum {
	CALL_NAMES = 4,	       /* pieces of a name, */
	CALL_NAME = 256,       /* and bytes of all */
	FOLD_BYTES = 16 << 10, /* of a long call's arguments in an event of ours */
};

/* Its pieces come, then it is over, then it is settled. */
struct held_call {
	TAILQ_ENTRY(held_call) all;
	struct calls *of;
	uint32_t choice, index; /* as the provider numbers it, */
	uint32_t place;		/* and no other one: some say one index of all */
	bool again;		/* it came under the index of another one */
	struct buf id;
	struct call_end {
		struct json_scan scan; /* of its arguments */
		bool closed;	       /* their outermost bracket was closed */
		bool odd;	       /* they are more than one object, or something else */
	} end;
	bool any_text;
	bool begun_with; /* arguments: none come after them */
	/* NULL: its place alone says that it is one */
	const struct answer_call_kind *kind;
	bool over, settled;
	bool begun;   /* its arguments have */
	bool may_end; /* with what was said last, where nothing more comes */
	enum call_verdict is;
	bool said;     /* what takes its place, or its arguments' has been */
	uint32_t less; /* calls before it in its choice that were taken out */
	struct buf name, arguments;
	size_t name_ends[CALL_NAMES], nnames;
	size_t repeats; /* pieces that said all of the name again */
	bool lost;
	/* folded.c: the last event that its next ones may be like, the one that says them, how
	 * many of those wait, and whether new arguments have been said in one */
	struct held_event *like, *fold;
	size_t folds;
	bool rest_said;
	size_t entry;			    /* of a denied one: the user's */
	unsigned char judged[SHA256_BYTES]; /* its arguments, once it is settled */
	bool is_signed;			    /* by the provider */
	struct held_call *with;		    /* NULL, or goes only where this one does */
	struct buf text;		    /* what the user said: reason or arguments */
};

/* Where an event says something of a call. */
struct call_piece {
	struct held_call *of;
	size_t at;    /* where its node begins */
	bool is_said; /* it has been asked about */
};

/* An event that waits, or goes. */
struct held_event {
	STAILQ_ENTRY(held_event) all;
	struct frame frame;	   /* views of `bytes` */
	struct call_piece *pieces; /* in the order in which they are read */
	size_t npieces, room;
	uint64_t number; /* that it says of itself, and one; 0: none */
	/* Where the last string is that says arguments, in frame.data, and how many do; in the
	 * place of several events it says these bytes of the call's (folded.c) */
	size_t text, text_end, texts;
	bool plain; /* this is known, and nothing else in it may be text */
	bool folded;
	size_t from, to;
	size_t bytes_n;
	char bytes[];
};

/* Of a choice, or of an answer that has none: 0. */
struct call_choice {
	uint32_t number;
	unsigned kept, denied; /* calls that are settled */
	bool said;	       /* text, ours or the model's */
	unsigned blocks;       /* of text, or of all, where they have numbers */
};

enum { CALL_CHOICES = 128 };

struct calls {
	const struct calls_dialect *d;
	const struct answer_format *format;
	struct calls_user user;
	enum frames_kind kind;
	bool wrap, whole;
	TAILQ_HEAD(held_calls, held_call) calls; /* in the order of their first bytes */
	size_t ncalls;
	STAILQ_HEAD(, held_event) events;
	size_t held;
	struct call_choice choices[CALL_CHOICES];
	size_t nchoices;
	bool kept;	      /* the provider keeps the turn */
	uint64_t number;      /* of the last event that went, and one */
	bool touched;	      /* something was taken out: each event is looked at from now on */
	bool failed;	      /* an error was said: no call comes after it */
	int err;	      /* the first one: nothing is read or said after it */
	struct arena work;    /* of the event that is read or said, */
	const struct tree *t; /* and what it says, */
	struct node *root;
	struct buf made;	/* a frame that is written anew */
	struct held_event *now; /* and itself */
	size_t piece;		/* of the event that is said: which is next */
};

struct calls_dialect {
	void (*read)(struct calls *c);
	/* True: nothing of it goes. Own events go before it by calls_say(). */
	bool (*say)(struct calls *c);
	/* In the place of a call: of its block, as a form; or into the message that has it. */
	const char *in_place;
	void (*put_reason)(struct calls *c, struct node *message, struct held_call *h);
	bool blocks;	   /* a whole answer's calls are, or are in, elements of one list */
	bool keeps;	   /* it does, where nothing says that it does not */
	bool joins_names;  /* some of its clients join the names that pieces say */
	bool renumbers;	   /* calls after one that is taken out have one less */
	bool by_id;	   /* one index may be that of several calls: calls_by_id() */
	bool texts;	   /* arguments that its rows have as a text are nothing else */
	bool begins_empty; /* a stream's call, with an object that is no part of what comes */
	const char *finish[2]; /* what it ended for, */
	const char *none;      /* and what for where no call is left */
};

extern const struct calls_dialect calls_chat, calls_anthropic, calls_responses, calls_gemini,
	calls_bedrock, calls_cohere, calls_ollama, calls_kept, calls_live;

/* ---- while an event is read ---- */

/* A member of enum calls_end, or ERR_NOMEM: the answer ends. The first one stays. */
void calls_fail(struct calls *c, int err);
/* A member of the event, and whether it is this word. */
struct node *calls_member(const struct calls *c, const char *key);
bool calls_is(const struct calls *c, const char *key, const char *word);
enum { CALL_OLDER = UINT32_MAX }; /* the index of chat's function_call */
/* The call of these numbers, made where it is new; NULL: it has failed. */
struct held_call *calls_at(struct calls *c, uint32_t choice, uint32_t index);
struct held_call *calls_find(const struct calls *c, uint32_t choice, uint32_t index);
/* The event that is read has this id and this name for it: another id with a name, after
 * arguments that are whole, is another call of the same index. NULL: as calls_at(). */
struct held_call *calls_by_id(
	struct calls *c, struct held_call *h, struct span id, struct span name);
/* What it says is its number; `otherwise`: it says none. What is no number, and one over
 * NO_NUMBER, is none's. */
enum { NO_NUMBER = UINT32_MAX - 1 };
uint32_t calls_number(const struct calls *c, const struct node *n, uint64_t otherwise);
/* A text, "" where there is none; something else fails: nobody could judge it. */
struct span calls_text(struct calls *c, const struct node *n);
/* Likewise of arguments: an object, as it is written, or a text. */
struct span calls_arguments(struct calls *c, const struct node *n);
/* What it says of its name and its arguments; either may be empty. */
void calls_note(
	struct held_call *h, struct span name, struct span arguments, enum answer_says how);
/* Notes that these arguments follow those that arrived before. */
void calls_note_end(struct call_end *e, struct span text);
/* The node says these arguments. */
void calls_said_at(struct calls *c, const struct node *n);
/* The node of the event that is read is a piece of it. */
void calls_piece(struct calls *c, struct held_call *h, const struct node *n);
/* And its end; h NULL: of none. */
void calls_end(struct calls *c, struct held_call *h);
/* All calls of the choice have come; of all: CALL_ALL. */
enum { CALL_ALL = UINT32_MAX };
void calls_over(struct calls *c, uint32_t choice);

/* ---- while it is said ---- */

/* The call that the node is a piece of; NULL: it was read as none. */
struct held_call *calls_of(struct calls *c, const struct node *n);
struct call_choice *calls_choice(struct calls *c, uint32_t number);
/* Our own event goes before it, as json_put_form() writes it. */
void calls_say(struct calls *c, const char *type, const char *form, ...);
/* Of edited arguments what goes where the first piece has its place. */
struct span calls_first(const struct held_call *h);

/* ---- parts.c: where things are, by the rows of the format ---- */

/* Where an object says a call's name and arguments: of a tool that has a schema, and of one
 * that takes any text. NULL: it does not. */
struct call_parts {
	const struct answer_call_kind *kind; /* NULL: its place alone says that it is one */
	struct node *name[2], *arguments[2];
};
struct call_parts calls_parts(struct node *of);
/* The first call within it, or the one after `n`; NULL: there is none. One that is in a place
 * for the other kind of answer, whole or streamed, is odd. */
struct node *calls_next(const struct calls *c, struct node *within, const struct node *n);
#define CALLS_EACH(n, c, within)                                                               \
	for (struct node *n = calls_next(c, within, NULL); n; n = calls_next(c, within, n))
/* The element of a list that it is, or is in; else the event. */
struct node *calls_element(struct node *n);
/* Of how many elements it comes after. */
uint32_t calls_place(const struct node *n);
/* What the node says of the call; `piece` is one of it. h NULL: it could not be made. */
void calls_read(
	struct calls *c, struct held_call *h, struct node *of, const struct node *piece);
/* A whole answer's: each is, or is in, an element of a list. */
void calls_read_whole(struct calls *c);
/* The new arguments where the first piece has its place, and nothing in the others. */
void calls_put_arguments(struct held_call *h, struct node *of);
/* The reason, as text of the message after what it says. Once a call. */
void calls_put_reason(struct calls *c, struct node *message, struct held_call *h);
/* The new arguments, or what goes in its place. */
void calls_say_element(struct calls *c, struct held_call *h, struct node *n);
/* The same of all that the document has. */
void calls_say_whole(struct calls *c);
/* What it says of the choice's end, that it was for calls, is true of what is left. */
void calls_say_end(struct calls *c, struct node *within, uint32_t choice);

/* ---- calls.c, for folded.c ---- */

/* A copy, in the queue. NULL: out of memory. */
struct held_event *calls_event(struct calls *c, const struct frame *f);
/* The event, by the dialect, in a frame like `as`, or where that is NULL as it came if nothing
 * of it changes. */
void calls_say_event(struct calls *c, struct held_event *e, const struct frame *as);

/* ---- folded.c ---- */

/* True: the event that is read is said by another one, and need not wait. */
bool calls_fold(struct calls *c, const struct held_event *e);
void calls_unfolded(struct held_event *e);
void calls_say_folded(struct calls *c, struct held_event *e);

#endif
