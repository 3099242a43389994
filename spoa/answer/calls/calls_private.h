/* The parts of `struct calls`, for the files of calls/.
 *
 * A dialect is two functions. `read` notes which calls an event has pieces of, and which of
 * them have ended. `say` walks the same event again, once all its calls are decided, and
 * changes the event accordingly. Only `read` determines where pieces are: `say` looks each one
 * up with calls_of(). A piece that `say` should have changed and did not look up ends the
 * response (say_tree() in calls.c). A response that is not a stream is one event. */
#ifndef ANSWER_CALLS_CALLS_PRIVATE_H
#define ANSWER_CALLS_CALLS_PRIVATE_H

#include <sys/queue.h>

#include "answer/calls/calls.h"
#include "answer/calls/tree.h"
#include "answer/frames.h"
#include "base/scoped.h"
#include "base/sha256.h"

enum {
	CALL_NAMES = 4,	 /* pieces of a name */
	CALL_NAME = 256, /* bytes of a whole name */
};

/* One call. States: its pieces arrive, then it is `over` (complete), then it is `settled`
 * (decided). If the user judges by names alone, the call may be settled before it is over.
 * Owned by `struct calls`; at most CAP_CALLS. */
struct held_call {
	TAILQ_ENTRY(held_call) all;
	struct calls *of;
	uint32_t choice, index; /* as the provider numbers them */
	/* number of the call that is unique in its choice; some providers send the same index
	 * for all calls */
	uint32_t place;
	bool again; /* an earlier call of the choice has the same `index` */
	struct buf id;
	struct call_end {
		struct json_scan scan; /* scans the arguments */
		bool closed;	       /* the outermost bracket is closed */
		bool odd;	       /* the arguments are not one JSON object */
	} end;
	bool any_text;
	bool begun_with; /* its first event had arguments, so none may follow */
	/* NULL: the object is a call because of its place alone */
	const struct answer_call_kind *kind;
	bool over, settled;
	bool begun;   /* the first bytes of the arguments have arrived */
	bool may_end; /* if the stream ends here, the call is complete */
	enum call_verdict is;
	bool said;     /* the text in its place, or its new arguments, have been written */
	uint32_t less; /* number of removed calls before this call in its choice */
	struct buf name, arguments;
	size_t name_ends[CALL_NAMES], nnames;
	size_t repeats; /* number of pieces that repeated the whole name */
	bool lost;
	/* For joined events. like: the last event, to which the next one is compared. fold: the
	 * event that stands for several joined events; NULL: none. folds: the number of such
	 * events that wait. rest_said: the rest of edited arguments has been written. */
	struct held_event *like, *fold;
	size_t folds;
	bool rest_said;
	size_t entry;			    /* the user's number for a denied call */
	unsigned char judged[SHA256_BYTES]; /* hash of the arguments that were judged */
	bool is_signed;			    /* the provider signed it */
	/* the call that must be passed on too, or else this call is removed; NULL:
	 * independent */
	struct held_call *with;
	/* the user's text: the reason for a denial, or the new arguments */
	struct buf text;
};

/* A place in an event that belongs to a call. */
struct call_piece {
	struct held_call *of;
	size_t at;    /* offset of its node in the event's data */
	bool is_said; /* `say` has looked it up */
};

/* An event that waits until its calls are decided. Its bytes follow the struct in memory. Owned
 * by the queue of `struct calls`. */
struct held_event {
	STAILQ_ENTRY(held_event) all;
	struct frame frame;	   /* views of `bytes` */
	struct call_piece *pieces; /* in the order of reading */
	size_t npieces, room;
	uint64_t number; /* the event's own sequence number plus 1; 0: none */
	/* Offsets in frame.data of the last string with arguments, and the number of such
	 * strings. If `folded` is set, the event stands for several ones, and the string's
	 * content is the bytes from `from` to `to` of the call's arguments (calls_fold()). */
	size_t text, text_end, texts;
	/* result of an earlier comparison: no other string of the event may be text */
	bool plain;
	bool folded;
	size_t from, to;
	size_t bytes_n;
	char bytes[];
};

/* State of one choice. A response without choices has choice 0. */
struct call_choice {
	uint32_t number;
	unsigned kept, denied; /* numbers of settled calls: passed on, and denied */
	bool said;	       /* the choice has text, from the model or from us */
	/* number of content blocks so far, or one more than the last block's number */
	unsigned blocks;
};

enum { CALL_CHOICES = 128 };

/* One response: its calls, and the queue of events that wait for them. */
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
	uint64_t number;      /* sequence number of the last event sent, plus 1; 0: none */
	bool touched;	      /* a call was removed or renumbered: parse each event again */
	bool failed;	      /* the provider reported an error; no call may follow */
	int err;	      /* the first error; nothing is read or written after it */
	struct arena work;    /* memory for the event that is read or written */
	const struct tree *t; /* the event's tree */
	struct node *root;
	struct buf made;	/* a frame that we write */
	struct held_event *now; /* the event that is read or written */
	size_t piece;		/* index in now->pieces where the next lookup begins */
};

/* How one provider's protocol writes calls. All are static tables. */
struct calls_dialect {
	void (*read)(struct calls *c);
	/* Changes the event. Returns true if nothing of it is to be sent. Additional events
	 * that precede it are sent with calls_say(). */
	bool (*say)(struct calls *c);
	/* How a removed call is replaced: a form of JSON for its block (json_put_form()), or a
	 * function that adds the reason to the message. `in_place` NULL: the function is
	 * used. */
	const char *in_place;
	void (*put_reason)(struct calls *c, struct node *message, struct held_call *h);
	/* in a whole response, each call is an element of one list, or is inside such an
	 * element */
	bool blocks;
	/* the provider keeps the turn unless the response states otherwise */
	bool keeps;
	bool joins_names; /* some clients join the names of all pieces */
	bool renumbers;	  /* calls after a removed one get a lower number */
	bool by_id;	  /* several calls may share one index: calls_by_id() */
	bool texts;	  /* arguments that a row reads as text must be strings */
	/* a stream's call begins with `{}`, which is not part of its arguments */
	bool begins_empty;
	const char *finish[2]; /* finish reasons for calls */
	const char *none;      /* the finish reason if no call is left */
};

/* ---- while an event is read ---- */

/* Records an error, which ends the response. The first error stays. `err` is a member of enum
 * calls_end, ERR_NOMEM, or 0 for nothing. */
void calls_fail(struct calls *c, int err);
/* Returns the member of the event named `key`, or NULL. calls_is() compares its text with
 * `word`. */
struct node *calls_member(const struct calls *c, const char *key);
bool calls_is(const struct calls *c, const char *key, const char *word);
/* CALL_OLDER: the index of chat's older function_call. NO_NUMBER: stands for a value that is
 * not a number, and for a number above INT32_MAX. */
enum { CALL_OLDER = UINT32_MAX, NO_NUMBER = UINT32_MAX - 1 };
/* Returns the call with these numbers; calls_at() creates it. NULL: calls_find() found none, or
 * calls_at() failed. */
struct held_call *calls_at(struct calls *c, uint32_t choice, uint32_t index);
struct held_call *calls_find(const struct calls *c, uint32_t choice, uint32_t index);
/* Returns the call that a piece with this id and name belongs to: `h`, or a new call with the
 * same index. A new call begins if the id differs, a name is present, and the arguments of `h`
 * are a whole object. NULL: as calls_at(). */
struct held_call *calls_by_id(
	struct calls *c, struct held_call *h, struct span id, struct span name);
/* Adds a piece of name and arguments to the call; either may be empty. `how` states whether
 * they are a piece or the whole. */
void calls_note(
	struct held_call *h, struct span name, struct span arguments, enum answer_says how);
/* Notes in `e` that `text` follows the arguments that arrived before. */
void calls_note_end(struct call_end *e, struct span text);
/* Notes that the node is a piece of the call, so that its event waits for the call. */
void calls_piece(struct calls *c, struct held_call *h, const struct node *n);
/* Notes that the event ends the call. h NULL: does nothing. */
void calls_end(struct calls *c, struct held_call *h);
/* Marks all calls of the choice as complete. CALL_ALL: those of every choice. */
enum { CALL_ALL = UINT32_MAX };
void calls_over(struct calls *c, uint32_t choice);

/* ---- while an event is written ---- */

/* Returns the call that the node is a piece of, or NULL if it was not read as one. */
struct held_call *calls_of(struct calls *c, const struct node *n);
/* Returns the state of a choice, never NULL. Beyond CALL_CHOICES it fails with CALLS_OVER. */
struct call_choice *calls_choice(struct calls *c, uint32_t number);
/* Sends an event of ours before the current one. `form` is a form of json_put_form(). */
void calls_say(struct calls *c, const char *type, const char *form, ...);
/* Returns the part of edited arguments that is written in the place of the call's first
 * piece. */
struct span calls_first(const struct held_call *h);

/* ---- dialects.c: where parts of a call are, by the rows of the format ---- */

/* The places of name and arguments in a call's object. Index 0: a tool with a schema; 1: a tool
 * that takes free text. NULL: the object does not have it. */
struct call_parts {
	/* NULL: the object is a call because of its place alone */
	const struct answer_call_kind *kind;
	struct node *name[2], *arguments[2];
};
struct call_parts calls_parts(struct node *of);
/* Reads all calls of a whole response in which calls are elements of one list. */
void calls_read_whole(struct calls *c);
/* Writes the new arguments, or what replaces a denied call, for all calls of the document. */
void calls_say_whole(struct calls *c);
/* Changes a finish reason that means calls, if no call of the choice is left. */
void calls_say_end(struct calls *c, struct node *within, uint32_t choice);

#endif
