/* The calls of a model's answer before the answer is read: each is held from its first byte to
 * its end, asked about, and goes on, goes on with other arguments, or is taken out with the
 * reason in its place. What is left is an answer as the provider might have given it: indexes,
 * and what it says of its end, agree with it. Who reads the answer after that (guard/) sees
 * nothing of what was taken out. owner: worker, one an answer. */
#ifndef ANSWER_CALLS_CALLS_H
#define ANSWER_CALLS_CALLS_H

#include "answer/format.h"
#include "answer/frames.h"

/* How a dialect writes calls; NULL: its calls cannot be taken out one by one. */
struct calls_dialect;
const struct calls_dialect *calls_dialect_of(const struct answer_format *f);

struct call {
	/* A name in pieces is joined by some clients, and others take one of them: it is one
	 * call of each. All of them, the joined one first. */
	const struct span *names;
	size_t nnames;
	struct span repeated;  /* joined, where each piece said all of it; or empty */
	struct span arguments; /* as the model wrote them: JSON, or text of a custom tool */
	bool any_text;	       /* they are text of any kind */
	bool apart;	       /* who reads the answer does not find a call in it */
	bool lost;	       /* they cannot be put together */
	bool by_name;	       /* what is asked about is the name: more of them may come */
	bool kept; /* the provider keeps the turn with it: denied, it ends the answer */
	/* The provider does not take it back without another one, which was denied: it has to
	 * be denied too. */
	bool goes_with_denied;
};

struct call_answer {
	enum call_verdict {
		CALL_GOES,
		CALL_EDITED, /* with `text` as its arguments */
		CALL_DENIED, /* `text` in its place */
	} is;
	struct span text; /* until the next call is asked about */
	size_t entry;	  /* of a denied one: the user's word for it */
};

struct calls_user {
	/* 0; else the answer ends, and the same comes back from what was called. */
	int (*judge)(void *arg, const struct call *c, struct call_answer *out);
	/* More arguments of one that was denied by its name. Likewise. */
	int (*more)(void *arg, size_t entry, struct span arguments);
	/* A frame that goes on. Likewise. */
	int (*pass)(void *arg, struct frame *f);
	void *arg;
	/* It judges by names alone: each is asked about at its first byte of arguments, and
	 * goes. */
	bool names_only;
};

struct calls; /* opaque */

/* `f`: one that has a dialect. `kind`, `wrap`: of a stream's frames (frame_write.h). NULL: out
 * of memory. */
struct calls *calls_new(const struct answer_format *f, enum frames_kind kind, bool wrap,
	const struct calls_user *user);
void calls_free(struct calls **c);
/* Bytes that wait for the end of a call: of frames, and of arguments. */
size_t calls_held(const struct calls *c);

enum calls_end {
	CALLS_NO_JSON = 1, /* an event that cannot be read while a call is held, or after one
			      was taken out */
	CALLS_AGAIN,	   /* a call goes on after its end */
	CALLS_OVER,	   /* more is held than CAP_CALLS_HELD, more calls than CAP_CALLS, or
			      longer ones than CAP_CALL_ARGUMENTS */
	CALLS_UNSOUND,	   /* what it says of a call does not agree */
};

/* The next frame of a stream that says something. 0, ERR_NOMEM, a member of enum calls_end, or
 * what the user said. */
int calls_frame(struct calls *c, const struct frame *f);
/* Nothing more comes: calls that are not over are as they are. */
int calls_finish(struct calls *c);
/* Nothing more comes, and nothing said so: those that may have ended did. */
int calls_stop(struct calls *c);
/* A whole answer: *out is appended to where it is another one now (*changed). The parser's
 * error: it is no strict JSON. */
int calls_whole(struct calls *c, struct span raw, struct buf *out, bool *changed);

#endif
