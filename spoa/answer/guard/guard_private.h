/* The parts of a guard, for the files of guard/. */
#ifndef ANSWER_GUARD_GUARD_PRIVATE_H
#define ANSWER_GUARD_GUARD_PRIVATE_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "answer/calls/calls.h"
#include "answer/event_template.h"
#include "answer/frame_write.h"
#include "answer/guard/guard.h"
#include "base/codec/utf8.h"
#include "base/scoped.h"
#include "scan/text/body.h"
#include "scan/text/spelled.h"

enum { CLEAN_MAX = 64, CLEAN_BYTES = 64 };
enum { QUEUE_MEMBERS, QUEUE_BOUNDARY, QUEUE_FINISH, QUEUES };

enum guard_way {
	WAY_OPAQUE, /* passes, and is not looked at */
	WAY_KEEP,   /* kept until its end, and passed on then */
	WAY_METER,  /* passes, and is kept for its usage */
	WAY_STREAM,
};

/* Half of a pair of surrogates that the next piece makes whole. */
struct halved {
	char half[UTF8_HALF];
	bool is;
};
#define GUARD_NO_HALF "\xEF\xBF\xBD" /* what it is if none does: U+FFFD */

/* A run of the answer's text, which clients read as one: of a choice, a block, a call, or of a
 * member that no row names. What is made of its text hangs on it. In g->life. */
struct run {
	TAILQ_ENTRY(run) all;
	struct run *same; /* the next one whose hash is the same */
	enum answer_kind kind;
	uint32_t slot[ANSWER_SLOTS];
	uint64_t path; /* of such a member; else 0 */
	bool over;     /* its channel is: text that still comes is not looked at with it */
	struct channel *channel;
	struct member *member;	       /* guard_members.c */
	struct transcript *transcript; /* guard_transcript.c */
	struct url_place *place;       /* of a member: where in a URL it is, if that is known */
	bool placed;
};

/* What scans and restores a run of a stream, as its text comes. */
struct channel {
	LIST_ENTRY(channel) all;
	struct guard *g;
	struct run *run;
	struct answer_text of; /* a text of it: its kind and numbers */
	struct detect_stream *scan;
	struct restorer *restore;
	struct buf out;		      /* what may go */
	struct json_scan came, place; /* of arguments: what came, what goes */
	struct spelled spelled;	      /* likewise, where they are scanned */
	bool replaced;		      /* the finding under way is */
	size_t from, fed; /* in all texts of its kind: where it begins, and bytes that came */
	size_t gone;	  /* of those: what went before it was known, as another text began */
	uint64_t last;	  /* number of the event that last said something of it */
	bool cut; /* signed, and something of it would be replaced: no more of it goes */
	struct halved halved;
	/* What the last event said, of a member that may say all of the text so far each time:
	 * then each event is read from the text's beginning, and `out` is all that may go. */
	struct {
		bool is, pieces;
		size_t n;
		uint64_t hash;
	} so_far;
	size_t seen;
	size_t held; /* of it, since held_us */
	uint64_t held_us;
	/* The last event that held nothing but its text, in two parts: what is held goes out in
	 * another one like it. */
	struct buf carrier;
	size_t carrier_at;
	struct buf carrier_type;
	bool carrier_marked;
};

/* A call's arguments, for rules and injection: as far as they are kept. */
enum { NAME_PIECES = 4 };

struct kept_text {
	LIST_ENTRY(kept_text) all;
	uint32_t slot[ANSWER_SLOTS];
	enum answer_kind kind;
	bool scored; /* as it is */
	bool whole;  /* nothing is added */
	bool parts;  /* it came as values of paths, and is not here */
	bool over;   /* its choice or block is, and nothing was added since */
	struct buf name, text;
	struct sha256 hash; /* of all of its text, */
	size_t bytes;	    /* however long */
	/* Where the pieces of the name end: one, or a stream says more of it for the same call.
	 */
	size_t name_ends[NAME_PIECES], nnames;
};

enum { HEADS = 1024 }; /* lists of values that were replaced, by hash */

/* A value that was replaced: where the stream says it again, it is again. */
struct known {
	SLIST_ENTRY(known) all;
	struct span value, with;
	struct known *same; /* the next one whose first bytes have the same hash */
};

struct guard {
	struct guard_plan plan;
	int status;
	const struct answer_format *format;
	enum guard_way way;
	enum guard_result failed;
	bool stands_alone; /* guard_stands_alone() */
	_Atomic bool stopped;
	struct guard_report report;
	bool unsure_way;	       /* by its first bytes it may be text */
	bool settled;		       /* whether it is several messages, a line each */
	size_t first_line;	       /* where that ends; 0: not yet, or it is blank */
	bool opaque_type, packed_type; /* none of text; one of compressed files */
	unsigned char begins[2];       /* of a stream, */
	size_t begun;		       /* as many as came */
	bool begun_text;	       /* more than blanks did */
	bool json_type, text_type;     /* as its head says */
	enum price_service head_service;
	int64_t head_input, head_output; /* tokens, likewise; -1: it does not */
	enum answer_media type_media;
	bool others_answered; /* of MCP: it holds an answer to another request */
	struct entity_set entities;
	uint16_t *roles; /* of each, in g->life; NULL: none is found */
	bool evasion;
	unsigned media;		       /* bit by enum answer_media */
	struct arena judged;	       /* the last verdict's */
	struct arena work;	       /* of the event or the whole answer */
	struct arena life;	       /* names, known values */
	struct translator *translator; /* NULL: it goes in the form that it has */
	struct buf let_go;	       /* on its way there */
	struct buf tapped;	       /* plan.taps: all that came */
	struct buf copied;	       /* plan.copies */
	struct buf body;	       /* WAY_KEEP, WAY_METER */
	bool body_over;
	char coding[16]; /* of the body: gzip, … */
	struct frames frames;
	struct event_template *template; /* of a stream, in g->life */
	struct frame_writer writer;
	struct buf unwrapped; /* a frame's event, where frames hold those of others */
	struct buf error;     /* the first one that it said */
	struct calls *held;   /* guard_calls.c; NULL: none is taken out */
	struct buf *held_out;
	struct arena asking;		/* of the call that is judged, */
	struct buf call_text;		/* and what it came to */
	struct answer_tool denied_call; /* that ends the answer; no name: none does */
	LIST_HEAD(, channel) channels;
	size_t nchannels;
	struct {		       /* guard_run.c */
		TAILQ_HEAD(, run) all; /* as they were met */
		struct run **heads;    /* by hash, in g->life; NULL: there are none */
		size_t n;
	} runs;
	/* Of the text that is edited, for each finding: the value over several texts that it
	 * is a part of, empty for all parts but the first; p NULL: it is whole. NULL: all
	 * are. */
	const struct span *wholes;
	const struct redactions *replacing; /* of it; NULL: as the last verdict says */
	/* guard_restore.c: where in a URL texts end that others go on from; NULL: nothing is
	 * put back */
	struct places {
		struct url_place grown[KIND_OTHER], again[KIND_OTHER]; /* by kind */
		unsigned split; /* kinds, a bit each, of which a text began in one */
	} * places;
	struct {			      /* guard_members.c */
		LIST_HEAD(, member) followed; /* those that are scanned over events */
		size_t nfollowed;
		uint64_t event; /* number of the last one */
	} members;
	struct event_queue { /* guard_queue.c */
		STAILQ_HEAD(, event) events;
		size_t bytes;	   /* of their frames, */
		size_t held_bytes; /* and of all that was read of them */
	} queues[QUEUES];
	struct event *spare; /* memory of one that is done with */
	/* guard_queue.c: what says that the stream is whole; by choice, a bit each. */
	struct {
		bool says, last; /* something that its format names; what ends all of it */
		uint64_t begun, done;
		bool repeats; /* a finish was none, and no other one is */
	} end;
	struct boundary {		     /* guard_boundary.c */
		size_t total[KIND_OTHER];    /* bytes of each kind's texts that came */
		struct detect_stream *scan;  /* NULL: nothing is looked at */
		enum answer_kind kind;	     /* of it: */
		uint32_t slot[ANSWER_SLOTS]; /* the block that it is in, */
		bool between;		     /* or between two */
		struct halved halved;
		size_t from, fed, decided; /* its first byte, those that came, that are known */
		size_t opened;		   /* where the first block ends, */
		size_t *edges, nedges,
			edges_room;	    /* and others that are not known; in g->life */
		struct crossing *crossings; /* CAP_CROSSINGS at most, in g->life */
		size_t ncrossings, crossings_room;
	} boundary;
	LIST_HEAD(, kept_text) kept;
	size_t nkept;
	STAILQ_HEAD(, transcript) transcripts; /* for the record: guard_transcript.c */
	size_t ntranscripts, transcript_bytes;
	bool transcript_cut;
	struct buf heard;   /* of a whole answer: each text and a NUL, for its tokens */
	unsigned grown;	    /* kinds, a bit each, that came in pieces */
	struct named_call { /* guard_restore.c; in g->life */
		uint32_t slot[ANSWER_SLOTS];
		size_t keeping; /* index in plan.keeping, beyond: none of them */
		bool over;
	} * calls;
	size_t ncalls, calls_room;
	struct guard_called *called; /* guard_called.c; in g->life */
	size_t called_room;
	struct span *clean; /* names and keys in which nothing is found; in g->life */
	size_t nclean, clean_room;
	SLIST_HEAD(, known) known;
	size_t known_bytes, known_least; /* of all of them, of the shortest */
	struct known **heads;		 /* by the hash of the first bytes, in g->life */
	size_t head_bytes;		 /* that are hashed; 0: to be made */
};

/* guard_text.c */
static inline bool
guard_inspects(const struct guard *g)
{
	return g->plan.inspects;
}
static inline bool
guard_reads(const struct guard *g)
{
	return g->plan.inspects || g->plan.vault || g->plan.may_use || g->plan.messages.is;
}
/* A text that goes on from what came of its run, and is not whole in its event. */
static inline bool
text_grows(const struct answer_text *t)
{
	return !t->copy && t->kind != KIND_OTHER;
}
/* What clients show, and join where it comes in blocks or parts. */
static inline bool
kind_is_shown(enum answer_kind kind)
{
	return kind == KIND_TEXT || kind == KIND_REASONING || kind == KIND_REFUSAL;
}
/* The edits `v`, n of them, and those by which the document says the model's name that was
 * asked for, in the place of what they touch; room for ANSWER_MODELS more. How many they are.
 */
size_t guard_rename(
	const struct guard *g, const struct answer_document *d, struct splice *v, size_t n);
/* guard_whole.c: scans all texts of a document, asks the rules, and edits. */
enum guard_result guard_document(struct guard *g, struct span raw, struct answer_document *d,
	enum answer_when when, struct buf *out);
/* guard_list.c: takes out of a list of models what the caller may not use. */
enum guard_result guard_filter_list(struct guard *g);
/* guard_messages.c: an answer of MCP, whole in g->body or an event of a stream, without entries
 * of lists that are not shown. */
enum guard_result guard_message_whole(struct guard *g);
enum guard_result guard_message_event(struct guard *g, struct frame *f);
/* The rules said this: what those of phase: tool replace is, too. */
void guard_message_judged(struct guard *g, struct answer_verdict *v);
/* It goes with these edits, if a result still has the form that its tool promises. */
enum guard_result guard_message_fits(
	struct guard *g, struct span raw, struct splice *v, size_t n, struct buf *out);
/* An event that clients of MCP leave alone. */
bool guard_message_is_none(const struct guard *g, const struct frame *f);
/* Some of one goes out unread, or not: where lists may be in it, it does not. */
enum guard_result guard_message_unread(struct guard *g);
/* Ends it: nothing more goes out. Returns `result`. */
enum guard_result guard_fail(struct guard *g, enum guard_result result, const char *why);
enum guard_result guard_no_memory(struct guard *g);
/* A scan that ends for want of memory or findings ends the answer. */
enum guard_result guard_scanned(struct guard *g, int err);
/* What was written into *b, in g->work, which it leaves. */
enum guard_result guard_take(struct guard *g, struct buf *b, struct span *out);
/* Likewise what the edits make of `raw`. */
enum guard_result guard_spliced(
	struct guard *g, struct span raw, struct splice *v, size_t n, struct span *out);
/* g->failed, also where nobody waits for it: asked at every text. */
enum guard_result guard_over(struct guard *g);
/* So many bytes go out unread: what the policy says of that. */
enum guard_result guard_unread(struct guard *g, size_t bytes, const char *why);
/* The same of a text for which a scan failed with `err`, and of a piece of a stream. */
enum guard_result guard_gave_up(struct guard *g, size_t bytes, int err);
enum guard_result guard_unread_run(struct guard *g, size_t bytes);
/* Notes what was found; true where its entity is new. */
bool guard_found(struct guard *g, size_t entity, enum answer_kind kind);
/* Asks the rules. */
enum guard_result guard_judge(struct guard *g, enum answer_when when);
/* What would be replaced cannot be: the answer is denied as by the rule that says so. */
enum guard_result guard_deny(struct guard *g, const char *why);
/* A finding of this entity in signed reasoning, which cannot be edited: true where it is
 * cut off there; else it stays, or the answer ends, as the policy says. */
bool guard_cuts_signed(struct guard *g, size_t entity);
/* In another form reasoning loses its signature: it may be edited like any other. */
void guard_unsign(const struct guard *g, struct answer_document *d);
/* What takes the place of a finding, in g->work; false: it stays. p NULL: out of memory.
 * `named`: in a name or key, which is never empty. */
bool guard_replacement(
	struct guard *g, size_t entity, struct span value, bool named, struct span *with);
/* The text's findings, in g->work: nothing is noted of them. */
enum guard_result guard_look(
	struct guard *g, const struct answer_text *t, struct findings *out);
/* The same, noted as guard_found() does; *is_new: an entity is. */
enum guard_result guard_scan(
	struct guard *g, const struct answer_text *t, struct findings *out, bool *is_new);
/* What a stream says in one piece: scanned, judged where something is new, edited. */
enum guard_result guard_edit_alone(
	struct guard *g, const struct answer_text *t, struct span *out);
/* The edits that withhold what must not be said again; d->nwithheld of them. */
size_t guard_withhold(const struct answer_document *d, struct splice *out);
/* The text as it goes out, in g->work or `text` itself: findings that the rules name replaced,
 * known values too, placeholders put back. */
enum guard_result guard_edit(struct guard *g, const struct answer_text *t,
	const struct findings *found, struct span *out);
/* The edits that make the same of a text in the whole document `raw`: *n of them, at most as
 * many as there are findings, and one. *gone: there is nothing left of it. */
enum guard_result guard_edit_whole(struct guard *g, const struct answer_text *t,
	const struct findings *found, struct span raw, struct splice *out, size_t *n,
	bool *gone);
/* Keeps a text for rules that read calls, or the injection score. */
void guard_keep(struct guard *g, const struct answer_text *t, struct span text);
/* After the event's own texts: what ends with it. NULL: all does. */
void guard_keep_ended(struct guard *g, const struct answer_document *d);
void guard_note(struct guard *g, const struct answer_document *d);
/* It is an error: kept for who asks what it says. Once. */
void guard_note_error(struct guard *g, struct span document, struct span type);
/* What a document, or an event, makes that belongs to its target. */
void guard_note_made(struct guard *g, struct span json);
/* Writes a replacement. If the text is `json`, the replacement is escaped, and outside the
 * strings of that text it gets quotes. */
void guard_put_json(struct buf *out, const struct json_scan *at, bool json, struct span with);
/* The edit that puts `with` in the place of the text's string or number. */
bool guard_splice(
	struct guard *g, const struct answer_text *t, struct span with, struct splice *out);

/* guard_called.c: an entry a call. What a document names, with the arguments that are values;
 */
void guard_called_note(struct guard *g, const struct answer_document *d);
/* some of its arguments as text; */
void guard_called_more(struct guard *g, const struct answer_text *t);
/* rules were asked about them, v[i] of tool i: the strongest word counts. */
void guard_called_judged(
	struct guard *g, const struct answer_facts *f, const struct tool_verdict *const *v);
/* Whether the rules with phase: tool were asked about the same as it ended, and let it go. */
bool guard_called_was(
	const struct guard *g, struct span name, const struct kept_text *arguments);
/* A word of the provider as records may hold it. guard_judge.c */
void guard_word(struct guard *g, char *to, size_t size, struct span word);
static inline bool
kind_is_call(enum answer_kind kind)
{
	return kind == KIND_ARGUMENTS || kind == KIND_INPUT;
}
/* Of a rule's word: deny, redact, permit. */
static inline int
effect_strength(enum rule_effect e)
{
	return e == RULE_DENY ? 2 : e == RULE_REDACT ? 1 : 0;
}
/* Before the answer is read: one that does not go is in no document. Which entry it is. */
size_t guard_called_asked(struct guard *g, const struct call *c, const struct tool_verdict *v,
	bool goes, struct span went);
/* More of the arguments of one that does not go. */
void guard_called_went_on(struct guard *g, size_t entry, struct span arguments);

/* Findings in the set, and known values, replaced: *out is in g->work, or the text itself. */
enum guard_result guard_replace(struct guard *g, const struct answer_text *t,
	const struct findings *found, const struct redactions *what, struct span *out);
/* guard_judge.c: the name of a tool for the record. */
void guard_note_tool(struct guard *g, struct span name);
/* What the rules of phase: tool say of a call, and what became of it, is a part of the sum. */
void guard_sum_call(struct guard *g, const struct tool_verdict *v, enum call_verdict is);

/* guard_calls.c: made where rules read the calls of such answers; 0, ERR_NOMEM. */
int guard_calls_new(struct guard *g);
void guard_calls_free(struct guard *g);
/* guard_queue_pass(), where no call waits that is not decided. */
enum guard_result guard_calls_pass(struct guard *g, struct frame *f, struct buf *out);
/* The stream is at its end: calls are as they are; */
enum guard_result guard_calls_end(struct guard *g, struct buf *out);
/* or they may be; */
enum guard_result guard_calls_stop(struct guard *g, struct buf *out);
/* or it is cut: where one waits, the answer fails so. */
enum guard_result guard_calls_cut(struct guard *g, enum guard_result how, const char *why);
/* An answer that is whole in g->body. */
enum guard_result guard_calls_whole(struct guard *g);

/* guard_run.c: the run of these numbers, and of a member its path; NULL: there is none. */
struct run *guard_run_find(const struct guard *g, enum answer_kind kind, uint64_t path,
	const uint32_t slot[ANSWER_SLOTS]);
/* Made where it is new; NULL: g->failed says why, or, of KIND_OTHER alone, there are too many.
 */
struct run *guard_run(struct guard *g, enum answer_kind kind, uint64_t path,
	const uint32_t slot[ANSWER_SLOTS]);

/* guard_restore.c. A call is named so; */
void guard_restore_call(struct guard *g, const struct answer_call *c);
/* what it was called with is over: another may come in its place. */
void guard_restore_over(
	struct guard *g, enum answer_kind kind, const uint32_t slot[ANSWER_SLOTS]);
/* What puts placeholders back into the text, or channel: NULL, g->failed says why; */
struct restorer *guard_restorer(struct guard *g, const struct answer_text *t);
/* after its end. */
void guard_restored(struct guard *g, const struct answer_text *t, const struct restorer *r);
/* All of that with one text: *out is in g->work where something was put back. */
enum guard_result guard_put_back(
	struct guard *g, const struct answer_text *t, struct span text, struct span *out);

/* An event begins: what it says again is of it alone. */
void guard_place_event(struct guard *g);
/* After a text, or a piece of it, was put back: where in a URL that ends. */
void guard_place_note(struct guard *g, const struct answer_text *t, const struct restorer *r);

/* guard_known.c: remembers a value that was replaced, where the answer is a stream; */
void guard_known_add(struct guard *g, struct span value, struct span with);
/* appends a text of JSON or not, those values in it replaced. */
void guard_known_put(
	struct guard *g, struct buf *out, struct json_scan *at, bool json, struct span text);

/* guard_metadata.c: names of fields that pass, and what those of families begin with (they end
 * with
 * "-"); NULL: there are no more. */
const char *guard_field_passes(size_t i);

/* guard_transcript.c: for the record, of a text that the provider sent, */
void guard_heard(struct guard *g, const struct answer_text *t);
/* and of what of it goes, or a piece of that, before placeholders are put back. */
void guard_transcribe(struct guard *g, const struct answer_text *t, struct span text);
void guard_transcripts_free(struct guard *g);
/* Text of the answer, as the model made it. */
void guard_count(struct guard *g, struct span text);

/* guard_metadata.c: replaces what is found in what a whole frame says besides its payload:
 * before that is unwrapped. */
enum guard_result guard_metadata(struct guard *g, struct frame *f);
/* Each line of a frame of SSE, whatever it is, with what `change` makes of it. */
enum guard_result guard_edit_lines(struct guard *g, struct frame *f,
	enum guard_result (*change)(struct guard *g, struct span line, struct span *now));

/* guard_channel.c: the channel of a text, made where it is new; NULL: g->failed says why. */
struct channel *guard_channel_of(struct guard *g, const struct answer_text *t);
/* The text, pairs of surrogates whole: a half at its end waits for the next piece. */
enum guard_result guard_pair(struct guard *g, struct halved *h, struct answer_text *t);
/* Another text: halves of pairs are none there. */
void guard_mend_halves(struct answer_text *t);
/* Before it: where it is all of the text so far it is read anew, and *t is what is new. */
void guard_channel_so_far(struct channel *c, struct answer_text *t);
/* The next piece of its text; what may go is in its `out`. */
enum guard_result guard_channel_feed(struct channel *c, struct span text);
/* No more comes: all of it is in `out`. */
enum guard_result guard_channel_finish(struct channel *c);
size_t guard_channel_held(const struct channel *c); /* bytes */
/* What is held of it is in `out`, as at its end, and it goes on: of a value that does the rest
 * is a finding. */
enum guard_result guard_channel_let_go(struct channel *c);
/* It ended: freed, and remembered as over. */
void guard_channel_over(struct channel *c);
void guard_channels_free(struct guard *g);

/* guard_joined.c: all texts of a whole answer, each by itself and with those that clients join
 * it to: v[i] are the findings of text i, and wholes[i], where it is not NULL, what
 * guard.wholes is to be for it. */
enum guard_result guard_scan_all(struct guard *g, const struct answer_document *d,
	struct findings *v, const struct span **wholes);

/* guard_whole.c: what is kept is decoded, within the caps. Else guard_fail() with guard_coded,
 * but for an error that is translated: of that nothing is left, and its status says enough. */
enum guard_result guard_decode_whole(struct guard *g);
extern const char guard_coded[]; /* why */
/* What is kept of the answer is all of it. */
enum guard_result guard_whole(struct guard *g, struct buf *out);
static inline struct span
guard_past_mark(struct span s)
{
	return span_starts(s, SPAN_LIT("\xef\xbb\xbf")) ? span_cut(s, 3, s.n) : s;
}
#define GUARD_BLANKS " \t\r\n\xef\xbb\xbf" /* and a byte order mark */

/* guard_bytes.c */
bool guard_begins_json(struct span body);
bool guard_begins_events(struct span s); /* a field or a comment of an event stream */
/* A caller that asked for a stream may read it as one, whatever its type says. */
bool guard_looks_like_events(const struct guard *g, struct span body);
/* Why the body that begins so cannot be read as what a client may take it for; NULL: it can. */
const char *guard_hides(const struct guard *g, struct span begins);
/* A stream of text does not begin with these bytes and those before them: it is of AWS' frames,
 * compressed, or UTF-16. */
bool guard_is_no_text(struct guard *g, struct span bytes);

/* guard_stream.c */
enum guard_result guard_events(struct guard *g, struct span bytes, struct buf *out);
enum guard_result guard_events_end(struct guard *g, struct buf *out);

#endif
