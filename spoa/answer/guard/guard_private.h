/* The parts of a guard, for the files of guard/. */
#ifndef ANSWER_GUARD_GUARD_PRIVATE_H
#define ANSWER_GUARD_GUARD_PRIVATE_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "answer/calls/calls.h"
#include "answer/event_template.h"
#include "answer/frames.h"
#include "answer/guard/guard.h"
#include "base/utf8.h"
#include "base/scoped.h"
#include "policy/tools.h"
#include "scan/text/body.h"
#include "scan/text/spelled.h"

enum { QUEUE_MEMBERS, QUEUE_BOUNDARY, QUEUE_FINISH, QUEUES };

/* Decoded content has at most so many times the bytes of the encoded content. */
enum { INFLATE_RATIO = 100 };
/* bytes of a piece of an encoded stream, decoded */
enum { GUARD_PLAIN_MAX = 128 << 10 };
/* The most bytes that are kept of a stream with a Content-Encoding until its first byte is
 * decoded. Then the stream is known to have this encoding. */
enum { GUARD_EARLY_MAX = 4 << 10 };

/* How a response passes the guard. */
enum guard_way {
	WAY_OPAQUE, /* passes uninspected */
	WAY_KEEP,   /* is kept until its end, and passes then */
	WAY_METER,  /* passes, and is kept for its usage */
	WAY_STREAM, /* passes event by event */
};

/* guard_channel.c: half of a surrogate pair at the end of a piece. The next piece completes the
 * pair. */
struct halved {
	char half[UTF8_HALF];
	bool is;
};
#define GUARD_NO_HALF "\xEF\xBF\xBD" /* U+FFFD, for a half that stays unpaired */

/* A run of the response's text that clients read as one text: the text of a choice, a block or
 * a call, or of a member that no row names. The run points to the states of its text. In
 * g->life. owner: guard_channel.c */
struct run {
	TAILQ_ENTRY(run) all;
	struct run *same; /* the next run with the same hash */
	enum answer_kind kind;
	uint32_t slot[ANSWER_SLOTS];
	uint64_t path; /* hash of the path of a member that no row names; else 0 */
	bool over;     /* its channel has ended: the channel does not see later text */
	struct channel *channel;
	struct member *member;	       /* used by guard_split.c */
	struct transcript *transcript; /* used by guard_judge.c */
	struct url_place *place;       /* a member's place in a URL; NULL: unknown */
	bool placed;
};

/* Scans and restores one run of a stream, as its text arrives. */
struct channel {
	LIST_ENTRY(channel) all;
	struct guard *g;
	struct run *run;
	struct answer_text of; /* one text of the run: its kind and numbers */
	struct detect_stream *scan;
	struct restorer *restore;
	struct buf out; /* text that may be sent */
	/* arguments: the JSON scan of the text received, and of `out` */
	struct json_scan came, place;
	struct spelled spelled; /* escapes of arguments that are scanned */
	bool replaced;		/* the finding in progress is replaced */
	/* The offset of the channel's first byte in the joined texts of its kind, and the
	 * number of bytes that the channel has received. */
	size_t from, fed;
	/* number of received bytes that were already sent because another text began */
	size_t gone;
	uint64_t last; /* number of the last event that had text of this channel */
	bool cut;      /* signed text with a finding: the rest of it is not sent */
	struct halved halved;
	/* A member may repeat all of its text in each event. Then each event is read from the
	 * beginning of the text, and `out` is all that may be sent. `n` and
	 * `hash` are the size and hash of the previous text. */
	struct {
		bool is, pieces;
		size_t n;
		uint64_t hash;
	} so_far;
	size_t seen;
	size_t held;	  /* bytes held back, since held_us */
	uint64_t held_us; /* monotonic */
	/* A copy of the last event that had only text of this channel, without the text, which
	 * was at `carrier_at`. Text that is held back is sent in such an event. */
	struct buf carrier;
	size_t carrier_at;
	struct answer_range carrier_number; /* its sequence number; empty: none */
	struct buf carrier_type;
	bool carrier_marked;
};

enum { NAME_PIECES = 4 };

/* The arguments of a call, for rules and for the injection score, up to a limit. */
struct kept_text {
	LIST_ENTRY(kept_text) all;
	uint32_t slot[ANSWER_SLOTS];
	enum answer_kind kind;
	bool scored; /* its injection score has been computed */
	bool whole;  /* the arguments are complete */
	bool parts;  /* the arguments arrived as values of paths, and are not kept here */
	bool over; /* the choice or block of the call has ended, and no text was added since */
	struct buf name, text;
	struct sha256 hash; /* hash of the whole text, also of the part beyond the limit */
	size_t bytes;	    /* size of the whole text in bytes */
	/* The ends of the name's pieces. A stream may add to the name of one call. */
	size_t name_ends[NAME_PIECES], nnames;
};

enum { HEADS = 1024 }; /* lists of values that were replaced, by hash */

/* A value that was replaced. It is replaced again wherever the stream repeats it. */
struct known {
	SLIST_ENTRY(known) all;
	struct span value, with;
	struct known *same; /* the next value whose first bytes have the same hash */
};

/* One response. owner: worker, except for `stopped`. Members are grouped by the file that
 * writes them. */
enum { GUARD_SPEECH_WORDS = 4 };

struct guard {
	struct guard_plan plan;
	int status;
	const struct answer_format *format;
	enum guard_way way;
	enum guard_result failed; /* not 0: the response has ended, and nothing more is sent */
	bool stands_alone;	  /* set by guard_stands_alone() */
	_Atomic bool stopped;	  /* set by any thread: nobody waits for the response */
	struct guard_report report;

	struct arena judged; /* the memory of the last verdict */
	struct arena work;   /* the memory of one event, or of the whole response */
	struct arena life;   /* the memory of names and known values */

	/* guard.c: the head and the first bytes, which decide the way */
	struct {
		bool unsure_way;   /* the first bytes may be text */
		bool settled;	   /* it is known whether each line is a message */
		size_t first_line; /* the end of the first line; 0: unknown, or the line is
				      empty */
		bool opaque_type;  /* the media type is not one of text */
		bool packed_type;  /* the media type is one of compressed files */
		bool json_type;	   /* the media type is one of JSON */
		bool text_type;	   /* the media type is one of text */
		enum answer_media type_media;
		unsigned char begins[2]; /* the first bytes of a stream */
		size_t begun;		 /* number of these first bytes that have arrived */
		bool begun_text;	 /* bytes other than spaces have arrived */
		char coding[16];	 /* encoding of the body: gzip, … */
		enum price_service head_service;
		int64_t head_input, head_output; /* tokens that the head states; -1: none */
	};

	/* the bytes of the response on their way */
	struct {
		struct inflate *inflate; /* decodes the stream; NULL: it is not encoded */
		struct buf plain;	 /* the piece of the stream that was decoded last */
		struct buf early;	 /* its first bytes, until a byte was decoded */
		bool misnamed;		 /* the stream does not have the encoding that it names */
		struct translator *translator; /* NULL: the response keeps its form */
		struct buf let_go;	       /* bytes for the translator */
		struct buf tapped;	       /* plan.taps: all bytes received */
		struct buf copied;	       /* the bytes that plan.copies requests */
		struct buf body;	       /* the kept body, for WAY_KEEP and WAY_METER */
		bool body_over;
		/* reads the usage of a body that is too long to be kept; NULL: none */
		struct usage_feed *feed;
		struct frames frames;
		struct event_template *template; /* of a stream; in g->life */
		struct frame_writer writer;
		struct buf unwrapped; /* the event inside of a frame that wraps another one */
		struct buf error;     /* the first error that the provider reported */
		/* MCP: the response includes a response to another request */
		bool others_answered;
	};

	/* guard_speech.c */
	struct {
		bool asked, told;
		const char *why; /* why there is no transcript; NULL: there is one, or no sound */
		struct span text;
		struct span words[GUARD_SPEECH_WORDS]; /* response.speech */
		size_t nwords;
		struct findings found;
	} speech;

	/* guard_judge.c: the facts for the rules */
	struct {
		struct entity_set entities; /* entities found so far */
		/* for each entity, a bit set; in g->life; NULL: none */
		uint16_t *roles;
		bool evasion;
		unsigned media; /* a bit for each enum answer_media */
	};

	/* guard_stream.c: calls that wait for a decision */
	struct {
		struct calls *held; /* NULL: no call can be taken out */
		struct buf *held_out;
		struct arena asking;  /* memory for the call that is being judged */
		struct buf call_text; /* the text that replaces the call that is being judged */
		struct answer_tool
			/* the denied call that ends the response; its name is empty if there is
			 * none */
			denied_call;
	};

	/* guard_stream.c: sequence numbers of the events that are sent */
	struct {
		uint64_t next; /* the number after that of the last event sent */
		bool begun;    /* an event had a number */
		bool kept;     /* the numbers stay, since the client resumes the stream by them */
		bool moved;    /* an event was taken out or added, so later numbers differ */
	} numbers;

	/* guard_channel.c */
	LIST_HEAD(, channel) channels;
	size_t nchannels;
	struct {		       /* guard_channel.c */
		TAILQ_HEAD(, run) all; /* in the order of their first text */
		struct run **heads;    /* by hash, in g->life; NULL: there are none */
		size_t n;
	} runs;

	/* guard_text.c, guard_split.c: the text that is edited */
	struct {
		/* One entry for each finding of the text. The first part of a value that is
		 * spread over several texts has the whole value as its entry. A later part has
		 * an empty span. A value that is complete in this text has p NULL. The pointer
		 * is NULL if all values are complete. */
		const struct span *wholes;
		/* the replacements to make; NULL: those of the last verdict */
		const struct redactions *replacing;
		struct span
			*clean; /* names and keys in which no finding was found; in g->life */
		size_t nclean, clean_room;
	};

	/* guard_text.c: the place in a URL at which each text ends, for the texts that
	 * continue it. NULL: nothing is restored. */
	struct places {
		struct url_place grown[KIND_OTHER], again[KIND_OTHER]; /* by kind */
		unsigned split; /* a bit for each kind of which a text began inside a URL */
	} * places;
	struct {
		struct named_call { /* in g->life */
			uint32_t slot[ANSWER_SLOTS];
			enum tool_arguments arguments;
			uint64_t tool; /* span_hash() of the tool's name; 0: events named several */
			bool over;
		} * calls;
		size_t ncalls, calls_room;
	};

	struct {			      /* guard_split.c */
		LIST_HEAD(, member) followed; /* members that are scanned over events */
		size_t nfollowed;
		uint64_t event; /* number of the last event */
	} members;

	/* guard_stream.c: events that wait */
	struct event_queue {
		STAILQ_HEAD(, event) events;
		size_t bytes; /* size of their frames */
		/* size of their frames and of everything that was read from the frames */
		size_t held_bytes;
	} queues[QUEUES];
	struct event *spare; /* an event that is no longer used; its memory is used again */
	/* Whether the stream is complete; `begun` and `done` have a bit for each choice. */
	struct {
		bool says; /* a text, a call or a model that the format names has arrived */
		bool last; /* the event that ends the whole stream has arrived */
		uint64_t begun, done;
		/* a finish reason did not end its choice, so no finish reason of this stream is
		 * taken for an end */
		bool repeats;
	} end;

	struct boundary {		     /* guard_split.c */
		size_t total[KIND_OTHER];    /* bytes received of each kind's texts */
		struct detect_stream *scan;  /* NULL: nothing is scanned */
		enum answer_kind kind;	     /* kind of the text that is scanned */
		uint32_t slot[ANSWER_SLOTS]; /* the block that the text is in */
		bool between;		     /* the text is between two blocks */
		struct halved halved;
		/* offsets of the text's first byte, of its end so far, and of the end of the
		 * decided part */
		size_t from, fed, decided;
		size_t opened;			   /* the end of the first block */
		size_t *edges, nedges, edges_room; /* the ends of further blocks; in g->life */
		struct crossing *crossings;	   /* at most CAP_CROSSINGS; in g->life */
		size_t ncrossings, crossings_room;
	} boundary;

	/* for rules that read calls, and for the injection score */
	LIST_HEAD(, kept_text) kept;
	size_t nkept;
	unsigned grown; /* a bit for each kind whose text arrived in pieces */

	/* guard_judge.c: for the record */
	struct {
		STAILQ_HEAD(, transcript) transcripts;
		size_t ntranscripts, transcript_bytes;
		bool transcript_cut;
		/* a whole response's texts, each with a NUL, to count the tokens */
		struct buf heard;
		struct guard_called *called; /* in g->life */
		size_t called_room;
	};

	/* guard_text.c: known values */
	struct {
		SLIST_HEAD(, known) known;
		size_t known_bytes; /* size of all values */
		size_t known_least; /* bytes of the shortest value */
		/* lists by the hash of the values' first bytes; in g->life */
		struct known **heads;
		/* number of first bytes that are hashed; 0: the lists must be built again */
		size_t head_bytes;
	};
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
/* Returns true if the text is a piece of its run, which later events may continue. */
static inline bool
text_grows(const struct answer_text *t)
{
	return !t->copy && t->kind != KIND_OTHER;
}
/* Returns true for text that clients show, and join if it arrives in blocks or parts. */
static inline bool
kind_is_shown(enum answer_kind kind)
{
	return kind == KIND_TEXT || kind == KIND_REASONING || kind == KIND_REFUSAL;
}
/* Adds edits that write the model name that the caller asked for. `v` holds n edits and has
 * room for ANSWER_MODELS more; edits that overlap are replaced. Returns the number of
 * edits. */
size_t guard_rename(
	const struct guard *g, const struct answer_document *d, struct splice *v, size_t n);
/* Makes the edits that change the provider's URLs to the gateway's: *v, in g->work, with room
 * for `more` further edits. Returns their number. If memory is out, g->failed is set. */
size_t guard_lead(struct guard *g, struct span json, size_t more, struct splice **v);
/* Adds the edits `more` to v, which has n edits and room for them. Edits of v that overlap are
 * removed. Returns the number of edits. */
size_t guard_put_all(const struct splice *more, size_t nmore, struct splice *v, size_t n);
/* guard_list.c: removes the models that the caller may not use from a list of models. */
enum guard_result guard_filter_list(struct guard *g);
/* guard_whole.c: removes hidden entries of lists from a message of MCP that is an event of a
 * stream. */
enum guard_result guard_message_event(struct guard *g, struct frame *f);
/* Adds the replacements that rules with `phase: tool` request to a verdict of the rules. */
void guard_message_judged(struct guard *g, struct answer_verdict *v);
/* Returns true for an event that clients of MCP ignore. */
bool guard_message_is_none(const struct guard *g, const struct frame *f);
/* Notes the placeholders that stay in `t`, which is a text of a call's arguments. */
void guard_called_left(
	struct guard *g, const struct answer_text *t, const size_t left[LEFT_REASONS]);
/* Returns the arguments with the values that placeholders stand for, if rules ask where values come
 * from and there is a placeholder; otherwise an empty span. In the arena. */
struct span guard_meant(struct guard *g, struct span arguments, struct arena *a);
/* Sets the numbers of a call that was denied, which is entry `entry`: those of guard_left(). */
/* Frees the memory of the calls. */
void guard_called_free(struct guard *g);
void guard_called_denied(struct guard *g, size_t entry, const size_t left[LEFT_REASONS]);
/* If a rule of the route reads tool.left: sets the numbers of placeholders that will stay in the
 * arguments of a call with these names, and returns their reasons: bit N is enum
 * placeholder_left N. Otherwise sets all to 0 and returns 0. */
unsigned guard_left(struct guard *g, const struct span *names, size_t nnames,
	struct span arguments, size_t left[LEFT_REASONS]);
/* Decides whether a part of a message may be sent uninspected. A part that may contain lists
 * may not; the response then ends with this reason, such as one of the two below. */
enum guard_result guard_message_unread(struct guard *g, const char *why);
extern const char guard_unread_list[], guard_long_message[];
/* Ends the response: nothing more is sent. Returns the first result that ended it. */
enum guard_result guard_fail(struct guard *g, enum guard_result result, const char *why);
enum guard_result guard_no_memory(struct guard *g);
/* Takes the error of a scan. Any error ends the response. */
enum guard_result guard_scanned(struct guard *g, int err);
/* Moves the contents of *b into g->work, and frees *b. */
enum guard_result guard_take(struct guard *g, struct buf *b, struct span *out);
/* Applies the edits to `raw`. *out is in g->work. */
enum guard_result guard_spliced(
	struct guard *g, struct span raw, struct splice *v, size_t n, struct span *out);
/* Returns g->failed, and ends the response if nobody waits for it. Called for every text. */
enum guard_result guard_over(struct guard *g);
/* guard_speech.c: searches the transcript; after the rules were asked, denies the response if a
 * value of it would be replaced; and handles sound that was not transcribed. */
enum guard_result guard_speech_scan(struct guard *g);
enum guard_result guard_speech_settle(struct guard *g);
void guard_speech_missed(struct guard *g, const struct answer_document *d);
/* Counts bytes that are sent uninspected, or ends the response if the policy demands it. */
enum guard_result guard_unread(struct guard *g, size_t bytes, const char *why);
/* guard_gave_up() does the same for a text whose scan failed with `err`; guard_unread_run()
 * does it for a piece of a stream. */
enum guard_result guard_gave_up(struct guard *g, size_t bytes, int err);
enum guard_result guard_unread_run(struct guard *g, size_t bytes);
/* Notes a finding. Returns true if its entity was not found before. */
bool guard_found(struct guard *g, size_t entity, enum answer_kind kind);
/* Evaluates the rules on everything that was found so far. */
enum guard_result guard_judge(struct guard *g, enum answer_when when);
/* Denies the response because a finding cannot be replaced. The last verdict, with its rule,
 * becomes a denial. */
enum guard_result guard_deny(struct guard *g, const char *why);
/* Decides about a finding in signed reasoning, which cannot be edited. Returns true if the
 * reasoning is cut off there. Otherwise the policy keeps the reasoning, or the response
 * ends. */
bool guard_cuts_signed(struct guard *g, size_t entity);
/* Makes signed reasoning plain reasoning if the response is translated, since its signature
 * is lost. */
void guard_unsign(const struct guard *g, struct answer_document *d);
/* Writes the replacement of a finding into *with, which is in g->work; p NULL: out of
 * memory. Returns false if the finding stays. `named`: the finding is in a name or key,
 * which must not become empty. */
bool guard_replacement(
	struct guard *g, size_t entity, struct span value, bool named, struct span *with);
/* Scans the text. The findings are in g->work, and are not noted. */
enum guard_result guard_look(
	struct guard *g, const struct answer_text *t, struct findings *out);
/* Scans the text, and notes the findings with guard_found(). *is_new: an entity is new. */
enum guard_result guard_scan(
	struct guard *g, const struct answer_text *t, struct findings *out, bool *is_new);
/* Scans and edits a text that is whole in its event. Asks the rules if a finding is new. */
enum guard_result guard_edit_alone(
	struct guard *g, const struct answer_text *t, struct span *out);
/* Writes the d->nwithheld edits that withhold repetitions of the text. Returns their
 * number. */
size_t guard_withhold(const struct answer_document *d, struct splice *out);
/* Makes the text that is sent: findings that the rules name and known values are replaced,
 * and placeholders restored. *out is in g->work, or is the text itself. */
enum guard_result guard_edit(struct guard *g, const struct answer_text *t,
	const struct findings *found, struct span *out);
/* Does the same as guard_edit() for a text of the whole document `raw`, by writing edits of the
 * document. *n: the number of edits, at most one more than there are findings. *gone: nothing
 * is left of the text. */
enum guard_result guard_edit_whole(struct guard *g, const struct answer_text *t,
	const struct findings *found, struct span raw, struct splice *out, size_t *n,
	bool *gone);
/* Keeps a text for rules that read calls, or for the injection score. */
void guard_keep(struct guard *g, const struct answer_text *t, struct span text);
/* Called after the texts of an event: ends the kept texts that the event ends. NULL: all. */
void guard_keep_ended(struct guard *g, const struct answer_document *d);
void guard_note(struct guard *g, const struct answer_document *d);
/* Keeps the first error that the provider reported, with its type. */
void guard_note_error(struct guard *g, struct span document, struct span type);
/* Notes what a document or an event creates at its target, such as a file or a response. */
void guard_note_made(struct guard *g, struct span json);
/* Writes a replacement. If the text is `json`, the replacement is escaped, and outside the
 * strings of that text it gets quotes. */
void guard_put_json(struct buf *out, const struct json_scan *at, bool json, struct span with);
/* Writes the edit that replaces the text's string or number. Returns false if the response
 * has ended. */
bool guard_splice(
	struct guard *g, const struct answer_text *t, struct span with, struct splice *out);

static inline bool
kind_is_call(enum answer_kind kind)
{
	return kind == KIND_ARGUMENTS || kind == KIND_INPUT;
}
/* Orders the effects of rules: deny is stronger than redact, redact than permit. */
static inline int
effect_strength(enum rule_effect e)
{
	return e == RULE_DENY ? 2 : e == RULE_REDACT ? 1 : 0;
}
/* Notes a call that was judged before the response was read: a denied call is in no
 * document. Returns the index of the entry. */
size_t guard_called_asked(struct guard *g, const struct call *c, const struct tool_verdict *v,
	bool goes, struct span went);
/* Adds arguments of a denied call. */
void guard_called_went_on(struct guard *g, size_t entry, struct span arguments);

/* Replaces findings in the set, and known values. *out is in g->work, or is the text
 * itself. */
enum guard_result guard_replace(struct guard *g, const struct answer_text *t,
	const struct findings *found, const struct redactions *what, struct span *out);
/* Adds the verdict of rules with `phase: tool` on a call to the verdict on the response. */
void guard_sum_call(struct guard *g, const struct tool_verdict *v, enum call_verdict is);

/* guard_stream.c: makes g->held, if rules read the calls of such responses. 0, or ERR_NOMEM. */
int guard_calls_new(struct guard *g);
void guard_calls_free(struct guard *g);
/* Decides the calls of a response that is whole in g->body. */
enum guard_result guard_calls_whole(struct guard *g);

/* guard_channel.c: finds a run by its numbers, and for a member by its path. NULL: there is
 * none. */
struct run *guard_run_find(const struct guard *g, enum answer_kind kind, uint64_t path,
	const uint32_t slot[ANSWER_SLOTS]);
/* Finds the run, or makes it. NULL: g->failed is set, or there are too many runs of
 * KIND_OTHER. */
struct run *guard_run(struct guard *g, enum answer_kind kind, uint64_t path,
	const uint32_t slot[ANSWER_SLOTS]);

/* guard_text.c: notes the name of a call. */
void guard_restore_call(struct guard *g, const struct answer_call *c);
/* Returns true if the arguments of the tool name another tool, which the client runs
 * (wrapped_call()). Rules are asked about both names. */
bool guard_wrapped(const struct guard *g, struct span name);
/* Reads the arguments of a call by guard_restore_call(): they may name another tool. */
void guard_restore_input(struct guard *g, const struct answer_input *in);
/* Finds the lists of strings that are one command of a shell. Call it after guard_note(), before
 * the texts are edited. */
void guard_restore_lists(struct guard *g, struct answer_document *d, struct span raw);
/* Notes that the arguments of a call ended. Another call may use the same numbers. */
void guard_restore_over(
	struct guard *g, enum answer_kind kind, const uint32_t slot[ANSWER_SLOTS]);
/* Makes the restorer of placeholders for a text or a channel. NULL: g->failed is set. */
struct restorer *guard_restorer(struct guard *g, const struct answer_text *t);
/* Takes the counts of a restorer that is at its end. */
void guard_restored(struct guard *g, const struct answer_text *t, const struct restorer *r);

/* Called when an event begins: the places of repeated texts are valid for one event only. */
void guard_place_event(struct guard *g);
/* Notes where in a URL a restored text, or a piece of it, ends. */
void guard_place_note(struct guard *g, const struct answer_text *t, const struct restorer *r);

/* guard_metadata.c: the i-th name of a header field that passes. A name with "-" at its end
 * is the beginning of the names of a family. NULL: there are no more. */
const char *guard_field_passes(size_t i);

/* guard_judge.c: records a text that the provider sent. */
void guard_heard(struct guard *g, const struct answer_text *t);
/* Records the text that is sent, or a piece of it, before placeholders are restored. */
void guard_transcribe(struct guard *g, const struct answer_text *t, struct span text);
void guard_transcripts_free(struct guard *g);

/* guard_metadata.c: replaces findings in the parts of a frame besides its payload. Called
 * before the payload is unwrapped. */
enum guard_result guard_metadata(struct guard *g, struct frame *f);
/* Passes each line of an SSE frame to `change`, and writes the result. */
enum guard_result guard_edit_lines(struct guard *g, struct frame *f,
	enum guard_result (*change)(struct guard *g, struct span line, struct span *now));

/* guard_channel.c: finds the channel of a text, or makes it. NULL: g->failed is set. */
struct channel *guard_channel_of(struct guard *g, const struct answer_text *t);
/* Joins a surrogate pair over two pieces: a half at the end waits for the next piece. */
enum guard_result guard_pair(struct guard *g, struct halved *h, struct answer_text *t);
/* Replaces halves of surrogate pairs in a text that no piece follows. */
void guard_mend_halves(struct answer_text *t);
/* Called before guard_channel_feed(). If *t repeats all of the text so far, the channel
 * starts again, and *t becomes the new part. */
void guard_channel_so_far(struct channel *c, struct answer_text *t);
/* Takes the next piece of text. `out` of the channel then has the text that may be sent. */
enum guard_result guard_channel_feed(struct channel *c, struct span text);
/* Ends the text. `out` of the channel then has the whole rest of the text. */
enum guard_result guard_channel_finish(struct channel *c);
size_t guard_channel_held(const struct channel *c); /* the number of bytes held back */
/* Moves all held text to `out` as guard_channel_finish() does, but the channel continues. If
 * the held text turns out to be the beginning of a value, the rest of the value is a
 * finding. */
enum guard_result guard_channel_let_go(struct channel *c);
/* Frees a channel that ended. Its run is marked as over. */
void guard_channel_over(struct channel *c);
void guard_channels_free(struct guard *g);

/* guard_whole.c: decodes the kept body within the limits. If that fails, the response fails
 * with guard_coded. A translated error then only loses its body. */
enum guard_result guard_decode_whole(struct guard *g);
extern const char guard_coded[]; /* the reason for the record */
/* Decides about a response that is whole in g->body. */
enum guard_result guard_whole(struct guard *g, struct buf *out);
static inline struct span
guard_past_mark(struct span s)
{
	return span_starts(s, SPAN_LIT("\xef\xbb\xbf")) ? span_cut(s, 3, s.n) : s;
}
#define GUARD_BLANKS " \t\r\n\xef\xbb\xbf" /* spaces, line ends and the byte order mark */

/* guard.c: recognizes a body by its first bytes. */
bool guard_begins_json(struct span body);
bool guard_begins_events(struct span s); /* a field or a comment of an event stream */
/* Returns true if a caller that asked for a stream may read the body as events, whatever
 * its type. */
bool guard_looks_like_events(const struct guard *g, struct span body);
/* Returns why the guard cannot read the body as a client may read it, or NULL if it can. */
const char *guard_hides(const struct guard *g, struct span begins);

/* guard_stream.c */
enum guard_result guard_events(struct guard *g, struct span bytes, struct buf *out);
enum guard_result guard_events_end(struct guard *g, struct buf *out);

#endif
