/* Tool calls of a model's response, handled before guard/ reads the response.
 *
 * Each call is held from its first byte to its end, and then judge() of the user decides about
 * it. The call is passed on, passed on with other arguments, or removed, with the reason in its
 * place. The result is a response as the provider might have sent it: indexes and the finish
 * reason agree with the calls that are left. guard/, which reads the response afterwards, sees
 * nothing of a removed call. owner: worker, one `struct calls` per response. */
#ifndef ANSWER_CALLS_CALLS_H
#define ANSWER_CALLS_CALLS_H

#include "answer/format.h"
#include "answer/frames.h"

/* Returns how calls of this format are read and removed. The table is static. NULL: calls of
 * this format cannot be removed one by one. */
struct calls_dialect;
const struct calls_dialect *calls_dialect_of(const struct answer_format *f);

/* A call to decide about. Its views are valid during judge() only. */
struct call {
	/* All names under which a client may know the call, the joined one first. If a name
	 * arrives in pieces, some clients join the pieces and others take one of them, so each
	 * counts. The array is valid during judge() only. */
	const struct span *names;
	size_t nnames;
	/* the name joined with itself, if each piece carried the whole name; else empty */
	struct span repeated;
	/* as the model wrote them: a JSON object, or the text of a custom tool */
	struct span arguments;
	bool any_text; /* the arguments are free text, not JSON */
	bool apart;    /* guard/ does not find this call when it reads the response */
	bool lost;     /* the arguments cannot be assembled (Gemini's pieces by path) */
	bool by_name;  /* judge() decides by the name; more arguments may follow */
	/* the provider keeps the turn with this call; if the call is denied, the response
	 * ends */
	bool kept;
	/* The provider does not accept this call without an earlier one that was denied, so
	 * this call has to be denied too. */
	bool goes_with_denied;
};

/* The user's decision about a call. */
struct call_answer {
	enum call_verdict {
		CALL_GOES,
		CALL_EDITED, /* `text` replaces its arguments */
		CALL_DENIED, /* `text` takes its place */
	} is;
	struct span text; /* borrowed; valid until the next call of judge() */
	size_t entry;	  /* the user's number of a denied call, which is passed to more() */
};

/* The functions of the user, which is guard/. `arg` is passed to each. */
struct calls_user {
	/* Decides about one call. Returns 0, or an error that ends the response: calls_frame(),
	 * calls_finish(), calls_stop() or calls_whole() then returns it. */
	int (*judge)(void *arg, const struct call *c, struct call_answer *out);
	/* Receives further arguments of a call that was denied by its name. Returns as judge()
	 * does. */
	int (*more)(void *arg, size_t entry, struct span arguments);
	/* Receives a frame to send on, valid during this function only. Returns as judge()
	 * does. */
	int (*pass)(void *arg, struct frame *f);
	void *arg;
	/* The user decides by names alone: judge() is called at the first byte of a call's
	 * arguments, and the call is not held further. */
	bool names_only;
};

struct calls; /* opaque */

/* Returns a new reader, or NULL if memory is out or `f` has no dialect. `kind` and `wrap`
 * describe the frames of the stream (frames.h). `*user` is copied. Free with
 * calls_free(). */
struct calls *calls_new(const struct answer_format *f, enum frames_kind kind, bool wrap,
	const struct calls_user *user);
/* Frees `*c` and sets it to NULL. NULL in `*c` is permitted. */
void calls_free(struct calls **c);
/* Returns the number of bytes that wait for the end of a call: events and arguments. */
size_t calls_held(const struct calls *c);

/* Reasons to end the response, besides ERR_NOMEM and errors of the user. */
enum calls_end {
	/* an event is not valid JSON while a call is held or after one was removed */
	CALLS_NO_JSON = 1,
	CALLS_AGAIN, /* a call continues after its end */
	CALLS_OVER,  /* beyond CAP_CALLS_HELD, CAP_CALLS or CAP_CALL_ARGUMENTS */
	/* parts of the response contradict each other about a call, or clients read them
	 * differently */
	CALLS_UNSOUND,
};

/* Reads the next frame of a stream and sends on all frames that are decided. Returns 0,
 * ERR_NOMEM, a member of enum calls_end, or the error of a user function. */
int calls_frame(struct calls *c, const struct frame *f);
/* The stream has ended properly: calls that are not complete are decided as they are. Returns
 * as calls_frame(). */
int calls_finish(struct calls *c);
/* The connection has ended without an end of the stream: only calls that may be complete are
 * decided (`may_end`). Returns as calls_frame(). */
int calls_stop(struct calls *c);
/* Handles a response that is not a stream. If the response changes, sets *changed and appends
 * the new response to *out. Returns 0, the parser's error if `raw` is not strict JSON, or an
 * error as calls_frame(). */
int calls_whole(struct calls *c, struct span raw, struct buf *out, bool *changed);

#endif
