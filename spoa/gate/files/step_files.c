/* The three steps for files: find their kinds, ask tollgate-extract for their texts, add the
 * texts as segments. The steps run between reading the body and classifying it, so that the
 * texts of files are searched like all others.
 *
 * The last section replaces files in a request by a short text. All bytes around a file stay as
 * they were. */
#include <sodium.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/digits.h"
#include "base/err.h"
#include "base/push.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "gate/files/files.h"
#include "gate/files/ocr_text.h"
#include "gate/files/speech.h"
#include "gate/gate_private.h"
#include "policy/policy.h"
#include "policy/rule.h"
#include "scan/text/opaque.h"
#include "scan/text/table.h"

enum {
	PLACE_MOST = 200, /* bytes of a place in a record or message */
	PLACE_VALUE = 4,  /* shorter findings do not hide a place */
};

/* Values of file.why besides the flaws (scan/media) and the extractor's words. */
static const char file_no_extractor[] = "no_extractor", file_not_asked[] = "not_asked",
		  file_no_reader[] = "no_reader", file_too_many[] = "too_many_files",
		  file_old_office[] = "old_office";

/* State while tollgate-extract is asked: the decoded bytes and the responses. owner: the
 * request. */
struct files_job {
	struct arena arena;
	struct extract_ask *asks;
	unsigned outstanding;
	size_t held;
	uint64_t began_us;
};

struct arena *
files_arena(struct files_job *j)
{
	return &j->arena;
}

void
request_drop_files(struct request *r)
{
	struct files_job *j = r->scan.files;

	if (!j)
		return;
	/* the request's held bytes may have been released already */
	if (r->gate && j->held)
		request_unhold(r, j->held < r->run.held_bytes ? j->held : r->run.held_bytes);
	arena_reset(&j->arena);
	free(j->asks);
	free(j);
	r->scan.files = NULL;
}

/* ---- decoding ---- */

static bool
ends_base64(struct span head)
{
	struct span last = { NULL, 0 };

	while (head.n)
		last = span_next(&head, ';');
	return span_ieq(span_trim(last, " "), SPAN_LIT("base64"));
}

/* dataurl = "data:" type *( ";" parameter ) ";base64," data, possibly with white space
 * around. Returns the type and sets *data to the text after the comma. Returns an empty span
 * if the text is not such a URL. */
static struct span
uri_type(struct span text, struct span *data)
{
	text = span_trim(text, " \t\r\n");
	size_t comma = span_chr(text, ',');
	struct span head = span_cut(text, 0, comma), type;

	if (!span_istarts(head, SPAN_LIT("data:")) || !ends_base64(head))
		return SPAN_LIT("");
	*data = span_cut(text, comma + 1, text.n);
	head = span_cut(head, strlen("data:"), head.n);
	type = span_next(&head, ';');
	return span_trim(type, " \t");
}

/* Decodes Base64 in either alphabet, with or without padding and line ends. Returns 0,
 * ERR_SYNTAX or ERR_NOMEM. */
static int
decode_base64(struct span text, struct arena *a, struct span *out)
{
	static const int variants[] = { sodium_base64_VARIANT_ORIGINAL,
		sodium_base64_VARIANT_ORIGINAL_NO_PADDING, sodium_base64_VARIANT_URLSAFE,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING };
	char *to = arena_alloc(a, text.n / 4 * 3 + 4);
	const char *end = NULL;

	if (!to)
		return ERR_NOMEM;
	for (size_t i = 0; i < COUNT_OF(variants); i++)
		if (!sodium_base642bin((unsigned char *)to, text.n / 4 * 3 + 4, text.p, text.n,
			    " \t\r\n", &out->n, &end, variants[i]) &&
			end == text.p + text.n) {
			out->p = to;
			return 0;
		}
	return ERR_SYNTAX;
}

/* Returns the kind of a file from its first bytes. */
static enum file_magic
head_kind(const struct media *m)
{
	enum { HEAD_BYTES = 64 };
	char head[HEAD_BYTES];
	struct span data = m->data;

	if (!m->base64)
		return file_kind_of(m->data);
	uri_type(m->data, &data);
	data = span_cut(span_trim(data, " \t\r\n"), 0, 2 * HEAD_BYTES);
	struct blob_run run = blob_run_at(data, 0, false);
	run.in = IN64;
	return file_kind_of(span_of(head, blob_head(data, &run, false, head, sizeof(head))));
}

/* ---- choice of a reader ---- */

bool
request_files_wait(const struct request *r)
{
	const struct unread *u = &r->in.body.unread;
	const struct policy *p = r->snap->policy;

	bool extracts = r->gate && gate_cfg(r->gate)->extract.path;

	if (!r->gate || r->run.resumed || r->found.observed || (!extracts && !p->ntranscribers))
		return false;
	for (size_t i = 0; i < u->nmedia; i++) {
		enum file_magic k = u->media[i].data.p ? head_kind(&u->media[i]) : FILE_OTHER;
		if ((extracts &&
			    (k == FILE_PDF || file_is_document(k) || (file_is_picture(k) && p->ocr))) ||
			speech_waits(r, k))
			return true;
	}
	return false;
}

/* Sets *is if a rule that applies to this request requires OCR of pictures. Returns 0 or
 * ERR_NOMEM. */
static int
asks_ocr(struct request *r, bool *is)
{
	struct policy_facts f;
	uint64_t which = 0;

	*is = false;
	if (!r->snap->policy->ocr)
		return 0;
	request_facts(r, &f);
	int err = policy_requires(r->snap->policy, &f, &r->arena, &which);
	*is = which & REQUIRE_OCR;
	return err;
}

/* ---- step files ---- */

int
file_keep_text(struct request *r, struct file *f, unsigned page, struct span text)
{
	struct extracted_text t = { .page = page, .text = arena_dup(&r->arena, text) };

	return t.text.p && ARENA_PUSH(&r->arena, f->texts, f->ntexts, f->room, 4, t)
		       ? 0
		       : ERR_NOMEM;
}

/* A file is a document. The speech in a part for sound is a text of the part's author. */
static enum seg_role
role_in_file(const struct body *b, const struct file *f, bool spoken)
{
	bool said =
		spoken && span_is(f->media.kind, "audio") && f->media.segment < b->nsegments;

	return said ? b->segments[f->media.segment].role : ROLE_DOCUMENT;
}

/* Appends the texts of all files to the segments of the body. Returns 0, ERR_LIMIT or
 * ERR_NOMEM. */
static int
add_segments(struct request *r)
{
	struct body *b = &r->in.body;
	size_t n = b->nsegments;

	for (size_t i = 0; i < r->in.nfiles; i++)
		n += r->in.files[i].ntexts;
	if (n == b->nsegments)
		return 0;
	if (n > CAP_SEGMENTS)
		return ERR_LIMIT;
	struct segment *all = arena_array(&r->arena, n, sizeof(*all));
	if (!all)
		return ERR_NOMEM;
	memcpy(all, b->segments, b->nsegments * sizeof(*all));
	for (size_t i = 0; i < r->in.nfiles; i++) {
		struct file *f = &r->in.files[i];
		f->first = (uint32_t)b->nsegments;
		for (size_t k = 0; k < f->ntexts; k++) {
			bool spoken = f->read & FILE_SPEECH && k >= f->nmetadata;
			all[b->nsegments++] = (struct segment){ .role = role_in_file(
									b, f, spoken),
				.form = SEG_FILE,
				.key = SEGMENT_NO_KEY,
				/* the bytes of the text are counted with the file's part */
				.counted = true,
				.spoken = spoken,
				.start = (uint32_t)f->media.start,
				.end = (uint32_t)f->media.end,
				.text = f->texts[k].text };
			b->inspected_bytes += f->texts[k].text.n;
		}
	}
	b->segments = all;
	return 0;
}

/* Decides whether tollgate-extract is asked about the file, or sets f->why to the reason why
 * not. */
static void
find_reader(struct request *r, struct file *f, enum file_magic k, bool ocr)
{
	f->ocr = ocr;
	f->picture = file_is_picture(k);
	f->document = file_is_document(k);
	if (k != FILE_PDF && !f->picture && !f->document)
		f->why = k == FILE_OLE ? file_old_office : file_no_reader;
	else if (f->picture && !ocr)
		f->why = file_not_asked;
	else if (r->gate && !gate_cfg(r->gate)->extract.path)
		f->why = file_no_extractor;
	else if (!r->gate || !r->run.resumed)
		f->why = file_not_asked;
	else
		f->wanted = true;
}

/* Returns true if the text contains encoded data that could be another file. Such data is not
 * inspected. */
static bool
text_hides(struct span text)
{
	struct opaque_reader o;
	struct opaque found;

	opaque_open(&o, text, false, 0);
	return opaque_next(&o, &found);
}

/* Decodes one file, and keeps its texts as far as the daemon itself can read them. */
static int
look_into_file(struct request *r, struct file *f, bool ocr)
{
	struct files_job *j = r->scan.files;
	struct span data = f->media.data, type = f->media.type;
	struct span text = { NULL, 0 };
	struct file_facts facts;
	bool is_text = false;
	int err = 0;

	if (!data.p) {
		f->why = file_no_reader;
		return 0;
	}
	if (f->media.base64) {
		struct span of_uri = uri_type(f->media.data, &data);
		type = of_uri.n ? of_uri : type;
		err = decode_base64(data, &j->arena, &f->decoded);
	} else {
		f->decoded = data;
	}
	if (err == ERR_SYNTAX) {
		f->why = file_flaws[FILE_DAMAGED];
		return 0;
	}
	if (!err)
		err = file_read(f->decoded, type, &j->arena, &facts);
	if (!err && facts.kind == FILE_OTHER)
		err = file_text(f->decoded, &j->arena, &text, &is_text);
	if (err)
		return err;
	f->bytes = f->decoded.n;
	if (facts.kind != FILE_OTHER)
		f->kind = file_kinds[facts.kind].name;
	if (facts.flaw) {
		f->why = file_flaws[facts.flaw];
	} else if (is_text) {
		f->kind = "text";
		f->read |= FILE_TEXT;
		if (text_hides(text))
			f->why = file_no_reader;
		err = file_keep_text(r, f, 0, text);
		if (!err)
			err = file_text_shown(text, &j->arena, &text);
		return err || !text.n ? err : file_keep_text(r, f, 0, text);
	} else if (sound_kind(facts.kind)) {
		err = speech_plan(r, f, facts.kind);
	} else {
		find_reader(r, f, facts.kind, ocr);
	}
	f->read |= facts.ntexts ? FILE_METADATA : 0;
	f->nmetadata = facts.ntexts;
	for (size_t i = 0; i < facts.ntexts && !err; i++)
		err = file_keep_text(r, f, 0, facts.texts[i]);
	return err;
}

/* Builds in.file_of: for each segment, the number of its file, from 1 on. */
static int
index_files(struct request *r)
{
	size_t n = r->in.body.nsegments;
	uint32_t *of = r->in.file_of = arena_array(&r->arena, n, sizeof(*of));

	if (!of)
		return ERR_NOMEM;
	memset(of, 0, n * sizeof(*of));
	for (size_t i = 0; i < r->in.nfiles; i++) {
		const struct file *f = &r->in.files[i];
		if (f->media.segment < n && !of[f->media.segment])
			of[f->media.segment] = (uint32_t)i + 1;
		for (size_t k = 0; k < f->ntexts; k++)
			of[f->first + k] = (uint32_t)i + 1;
	}
	return 0;
}

/* Adds the kind to the media kinds that rules see, once. */
static int
tell_kind(struct request *r, const char *kind)
{
	struct span s = span_str(kind);

	for (size_t i = 0; i < r->in.nmedia; i++)
		if (span_eq(r->in.media[i], s))
			return 0;
	return ARENA_PUSH(&r->arena, r->in.media, r->in.nmedia, r->in.media_room, 4, s)
		       ? 0
		       : ERR_NOMEM;
}

/* Removes the files that were read completely from the list of uninspected media. The request
 * is unreadable if anything is left. */
static int
settle_unread(struct request *r)
{
	const struct unread *b = &r->in.body.unread;
	struct unread *u = &r->in.unread, left = {
		.sealed = u->sealed, .sealed_bytes = u->sealed_bytes, .bytes = u->bytes
	};
	size_t before = u->nmedia - b->nmedia; /* media of the target come first */

	for (size_t i = 0; i < u->nmedia; i++) {
		const struct file *f = i < before ? NULL : &r->in.files[i - before];
		if (f && (!f->why || f->passes)) {
			size_t n = f->media.end - f->media.start;
			left.bytes -= n < left.bytes ? n : left.bytes;
			continue;
		}
		if (!ARENA_PUSH(&r->arena, left.media, left.nmedia, left.room, 8, u->media[i]))
			return ERR_NOMEM;
	}
	*u = left;
	r->in.unreadable = u->nmedia > 0;
	return 0;
}

static int
look_into_files(struct request *r)
{
	const struct unread *u = &r->in.body.unread;
	struct files_job *j = r->scan.files = calloc(1, sizeof(*j));
	size_t wanted = 0;
	bool ocr;

	if (!j)
		return ERR_NOMEM;
	arena_init(&j->arena, CAP_REQUEST_ARENA, true);
	r->in.files = arena_array(&r->arena, u->nmedia, sizeof(*r->in.files));
	int err = r->in.files ? asks_ocr(r, &ocr) : ERR_NOMEM;
	for (size_t i = 0; i < u->nmedia && !err; i++) {
		struct file *f = &r->in.files[r->in.nfiles++];
		*f = (struct file){ .request = r, .media = u->media[i], .kind = "" };
		err = look_into_file(r, f, ocr);
		if (!err && f->kind[0])
			err = tell_kind(r, f->kind);
		if (f->wanted && wanted == CAP_FILES) {
			f->wanted = false;
			f->why = file_too_many;
		}
		wanted += f->wanted;
		if (!err && !f->wanted)
			f->decoded = (struct span){ NULL, 0 };
	}
	return err;
}

/* All files have been read as far as possible. */
static enum step_result
files_read(struct request *r, int err)
{
	if (!err)
		err = add_segments(r);
	if (!err && r->in.body.nsegments)
		err = index_files(r);
	if (!err)
		err = settle_unread(r);
	if (!err)
		err = speech_facts(r);
	request_drop_files(r);
	if (err == ERR_LIMIT)
		return request_deny(r, 413, "request_too_complex", "",
			SPAN_LIT("the files in the request contain too many texts: send fewer "
				 "or smaller files"));
	return err ? request_overload(r) : request_hold_work(r);
}

enum step_result
step_files(struct request *r)
{
	bool any = false;

	if (!r->in.have_body || !r->in.body.unread.nmedia ||
		r->in.body_state == BODY_STATE_PARTIAL || r->in.files)
		return STEP_NEXT;
	int err = look_into_files(r);
	for (size_t i = 0; i < r->in.nfiles; i++)
		any |= r->in.files[i].wanted;
	return err || !any ? files_read(r, err) : STEP_NEXT;
}

/* ---- step extract ---- */

static void
file_answered(struct extract_ask *a, const char *why, struct span answer)
{
	struct file *f = a->arg;
	struct request *r = f->request;
	struct files_job *j = r->scan.files;

	INVARIANT(j && f->wanted && !f->asked); /* each file gets one response */
	f->wanted = false;
	f->asked = true;
	f->us = clock_mono_us() - j->began_us;
	f->decoded = (struct span){ NULL, 0 };
	f->why = why;
	if (!why && answer.n && !(f->answer = arena_dup(&j->arena, answer)).p)
		f->why = extract_away;
	INVARIANT(j->outstanding > 0);
	if (--j->outstanding == 0)
		r->calls->back(r);
}

static bool
file_is_over(const struct extract_ask *a)
{
	const struct file *f = a->arg;

	return f->request->run.life != LIFE_STEPS;
}

/* A response of a transcriber. The file is complete with the last of its sounds. */
static void
sound_answered(struct extract_ask *a, const char *why, struct span answer)
{
	struct heard *h = a->arg;
	struct request *r = h->file->request;
	struct files_job *j = r->scan.files;

	INVARIANT(j);
	speech_answered(r, h, why, answer);
	h->file->us = clock_mono_us() - j->began_us;
	INVARIANT(j->outstanding > 0);
	if (--j->outstanding == 0)
		r->calls->back(r);
}

static bool
sound_is_over(const struct extract_ask *a)
{
	const struct heard *h = a->arg;

	return h->file->request->run.life != LIFE_STEPS;
}

/* Sends the sounds of a file that are not remembered. Returns the number that a response will
 * come for. `asks` has room for each. */
static size_t
ask_about_sounds(struct request *r, struct file *f, struct extract_ask *asks)
{
	size_t n = 0;

	for (size_t i = 0; i < f->speech->nheard; i++) {
		if (!speech_ask(r, f, i, &asks[n]))
			continue;
		asks[n].over = sound_is_over;
		asks[n].done = sound_answered;
		if (transcribe(r->gate->transcribers, &asks[n]))
			n++;
		else
			speech_answered(r, &f->speech->heard[i], transcribe_away, SPAN_LIT(""));
	}
	return n;
}

static enum step_result
ask_about_files(struct request *r)
{
	struct files_job *j = r->scan.files;
	uint64_t now = j->began_us = clock_mono_us();
	size_t n = 0;

	if (!request_hold(r, j->arena.used_bytes))
		return request_overheld(r);
	j->held = j->arena.used_bytes;
	for (size_t i = 0; i < r->in.nfiles; i++)
		if (r->in.files[i].wanted)
			n += r->in.files[i].speech ? r->in.files[i].speech->nheard : 1;
	j->asks = calloc(n, sizeof(*j->asks));
	if (!j->asks)
		return request_overload(r);
	n = 0;
	for (size_t i = 0; i < r->in.nfiles; i++) {
		struct file *f = &r->in.files[i];
		if (f->wanted && f->speech)
			n += ask_about_sounds(r, f, &j->asks[n]);
		if (!f->wanted || f->speech)
			continue;
		j->asks[n] = (struct extract_ask){ .file = f->decoded,
			.picture = f->picture,
			.document = f->document,
			.ocr = f->ocr,
			.caller = r->run.held_slot,
			.deadline_us = now + gate_cfg(r->gate)->extract_deadline_us,
			.over = file_is_over,
			.done = file_answered,
			.arg = f };
		extractor_ask(&r->gate->extractor, &j->asks[n++]);
	}
	j->outstanding = (unsigned)n;
	if (!n)
		return STEP_NEXT; /* each transcript is remembered, or no transcriber can be
				     asked */
	request_asked(r);
	gate_tick(r->gate);
	return request_waits(r, WAIT_FILES);
}

enum step_result
step_extract(struct request *r)
{
	struct files_job *j = r->scan.files;

	if (!j)
		return STEP_NEXT;
	if (!j->asks)
		return ask_about_files(r);
	INVARIANT(j->outstanding == 0);
	request_waited(r);
	for (size_t i = 0; i < r->in.nfiles; i++) {
		const struct file *f = &r->in.files[i];
		r->in.said_bytes += f->answer.n;
		for (size_t k = 0; f->speech && k < f->speech->nheard; k++)
			r->in.said_bytes += f->speech->heard[k].answer.n;
	}
	return STEP_NEXT;
}

/* ---- step pages ---- */

/* Adds the values of the texts that OCR may have written wrongly, as further texts of their
 * pages. */
static int
add_corrections(struct request *r, struct file *f)
{
	size_t n = f->ntexts;
	int err = 0;

	for (size_t i = f->nmetadata; i < n && !err; i++) {
		SCOPED_BUF(corrected, CAP_EXTRACT_ANSWER);
		ocr_text_correct(f->texts[i].text, &corrected);
		if (buf_failed(&corrected))
			return ERR_NOMEM;
		if (!corrected.n || f->texts[i].page & EXTRACT_BORDER)
			continue;
		err = file_keep_text(r, f, f->texts[i].page, buf_view(&corrected));
		f->texts[f->ntexts - 1].uncertain = true;
	}
	return err;
}

/* Keeps what an Office document is, and the facts that rules see. Addresses in it are
 * references, because the content at these addresses was not inspected. */
static int
take_document(struct request *r, struct file *f, const struct extracted *got)
{
	size_t room = r->in.body.nrefs;
	int err = 0;

	f->kind = got->kind;
	f->macros = got->macros;
	r->in.macros |= got->macros;
	if (got->nlinks)
		err = ref_add(&r->in.body, &room,
			&(struct body_ref){ .kind = "link", .n = got->nlinks }, &r->arena);
	return err ? err : tell_kind(r, got->kind);
}

static int
take_extracted(struct request *r, struct file *f)
{
	struct files_job *j = r->scan.files;
	struct extracted got;

	if (!f->asked || f->why)
		return 0;
	int err = f->answer.p ? extracted_read(f->answer, &j->arena, &got) : ERR_SYNTAX;
	if (err == ERR_SYNTAX) {
		f->why = extract_nonsense;
		return 0;
	}
	if (err)
		return err;
	f->pages = got.pages;
	f->why = got.why;
	f->why_page = got.why_page;
	f->read |= got.ocr ? FILE_OCR : 0;
	f->read |= got.ntexts && !f->picture ? FILE_TEXT : 0;
	if (got.kind)
		err = take_document(r, f, &got);
	for (size_t i = 0; i < got.ntexts && !err; i++) {
		err = file_keep_text(r, f, got.texts[i].page, got.texts[i].text);
		if (!err && got.texts[i].places.n)
			f->texts[f->ntexts - 1].places =
				arena_dup(&r->arena, got.texts[i].places);
	}
	return err || !got.ocr ? err : add_corrections(r, f);
}

enum step_result
step_pages(struct request *r)
{
	int err = 0;

	if (!r->scan.files)
		return STEP_NEXT;
	for (size_t i = 0; i < r->in.nfiles && !err; i++) {
		struct file *f = &r->in.files[i];
		err = f->wanted && f->speech ? speech_take(r, f) : take_extracted(r, f);
		r->in.files[i].answer = (struct span){ NULL, 0 };
	}
	return files_read(r, err);
}

/* Returns the file that contains the segment's text, or whose data the segment is, or NULL. */
static struct file *
request_file_with(const struct request *r, const struct segment *s)
{
	uint32_t i = r->in.file_of ? r->in.file_of[s - r->in.body.segments] : 0;

	return i ? &r->in.files[i - 1] : NULL;
}

struct file *
request_file_of(const struct request *r, const struct hit *h, struct file_place *at)
{
	const struct segment *s = h->segment;
	struct file *f = s->form == SEG_FILE ? request_file_with(r, s) : NULL;

	if (!f)
		return NULL;
	const struct extracted_text *t =
		&f->texts[(size_t)(s - r->in.body.segments) - f->first];
	*at = (struct file_place){ .page = t->page, .uncertain = t->uncertain };
	at->places = t->places;
	at->offset = h->f.start;
	at->spoken = speech_time(r, f, s, h->f.start, &at->ms);
	if (t->page & EXTRACT_BORDER)
		at->page = (t->page & ~(unsigned)EXTRACT_BORDER) +
			   (h->f.start > span_chr(s->text, '\n'));
	return f;
}

void
file_place_put(const struct request *r, const struct file_place *at, struct buf *out)
{
	SCOPED_BUF(words, 0);
	struct span head, place;

	if (!extracted_place(at->places, at->offset, &head, &place))
		return;
	buf_span(&words, head);
	buf_span(&words, place);
	struct span s = span_trim(buf_view(&words), ", ");
	s = span_cut(s, 0, utf8_begin(s, PLACE_MOST));
	/* a name of a sheet may hold what the policy searches for */
	for (size_t i = 0; i < r->scan.nhits + r->scan.nextra; i++) {
		const struct hit *h = i < r->scan.nhits ? &r->scan.hits[i]
							: &r->scan.extra[i - r->scan.nhits];
		struct span value = h->in_target
					    ? SPAN_LIT("")
					    : span_cut(h->segment->text, h->f.start, h->f.end);
		const char *name = detect_entity_name(r->snap->rules, h->f.entity);
		if (value.n < PLACE_VALUE || value.n > s.n || str_same(name, "PERSON"))
			continue;
		if (memmem(s.p, s.n, value.p, value.n)) {
			buf_printf(out, "[%s]", name);
			return;
		}
	}
	for (size_t i = 0; i < s.n; i++)
		buf_putc(out, (unsigned char)s.p[i] < ' ' ? ' ' : s.p[i]);
}

/* ---- replacing files ---- */

struct file *
request_file_hit(const struct request *r, const struct hit *h)
{
	return h->in_target || (h->segment->form != SEG_FILE && !h->segment->data)
		       ? NULL
		       : request_file_with(r, h->segment);
}

static bool
strip_file(const struct request *r, struct file *f)
{
	f->stripped = r->found.verdict.strips && f->media.part && r->in.sound != SOUND_HEARD;
	f->written = f->stripped && r->found.verdict.strips == MEDIA_TRANSCRIPT && !f->why &&
		     f->read & FILE_SPEECH;
	return f->stripped;
}

bool
request_hit_metadata(const struct request *r, const struct file *f, const struct hit *h)
{
	size_t at = (size_t)(h->segment - r->in.body.segments);

	return h->segment->form == SEG_FILE && at - f->first < f->nmetadata;
}

/* Returns where the file's data are in the raw body, without the head of a data URI. The reader
 * cut long data off its segment, which then ends where they begin. Returns an empty span if the
 * body has them in another spelling. */
static struct span
raw_data(const struct request *r, const struct file *f, struct span data)
{
	struct span raw = r->in.raw;
	const struct segment *s = f->media.segment < r->in.body.nsegments
					  ? &r->in.body.segments[f->media.segment]
					  : NULL;

	if (data.p >= raw.p && data.p + data.n <= raw.p + raw.n)
		return data;
	if (!s || !s->opaque || s->form != SEG_JSON)
		return SPAN_LIT("");
	raw = span_cut(raw, s->end, raw.n);
	return span_cut(raw, 0, span_chr(raw, '"')); /* base64 has no quotes */
}

/* Encodes as `like` is encoded: in one of base64's alphabets, with padding. */
static struct span
encode_base64(struct span bytes, struct span like, struct arena *a)
{
	int variant = span_chr(like, '-') < like.n || span_chr(like, '_') < like.n
			      ? sodium_base64_VARIANT_URLSAFE
			      : sodium_base64_VARIANT_ORIGINAL;
	size_t size = sodium_base64_encoded_len(bytes.n, variant);
	char *to = arena_alloc(a, size);

	if (!to)
		return (struct span){ NULL, 0 };
	sodium_bin2base64(to, size, (const unsigned char *)bytes.p, bytes.n, variant);
	return span_of(to, size - 1);
}

/* Prepares the replacement of a picture by itself without metadata. Returns false if the file
 * is none, or cannot be replaced. */
static bool
bare_file(struct request *r, struct file *f)
{
	struct span data = f->media.data, decoded, bare;
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);

	if (f->media.base64)
		uri_type(f->media.data, &data);
	struct span raw = raw_data(r, f, data);
	if (!raw.n)
		return false;
	decoded = data;
	if ((f->media.base64 && decode_base64(data, &a, &decoded)) ||
		file_bare(decoded, &a, &bare) || !bare.n)
		return false;
	size_t at = (size_t)(raw.p - r->in.raw.p);
	f->bare = (struct splice){ at, at + raw.n,
		f->media.base64 ? encode_base64(bare, data, &r->arena)
				: arena_dup(&r->arena, bare) };
	return f->bare.with.p;
}

bool
request_strip_files(struct request *r, const struct overlay *o, const struct file **why)
{
	struct file *f;

	*why = NULL;
	for (size_t i = 0; i < r->in.nfiles; i++) {
		f = &r->in.files[i];
		f->stripped = f->written = false;
		f->bare = (struct splice){ 0 };
		if (f->why && r->found.verdict.strips)
			strip_file(r, f);
	}
	for (size_t i = 0; i < o->nhits + o->nwholes; i++) {
		const struct hit *h = i < o->nhits ? &o->hits[i] : &o->wholes[i - o->nhits];
		f = request_file_hit(r, h);
		if (!f || f->stripped)
			continue;
		bool bare = r->found.verdict.strips && request_hit_metadata(r, f, h) &&
			    (f->bare.with.p || bare_file(r, f));
		if (!bare && !strip_file(r, f)) {
			*why = f;
			return false;
		}
	}
	return true;
}

bool
request_stripped(const struct request *r)
{
	bool any = false;

	for (size_t i = 0; i < r->in.nfiles; i++)
		any |= r->in.files[i].stripped || r->in.files[i].bare.with.p;
	return any;
}

/* The text that replaces the file. */
static struct span
stripped_text(struct request *r, const struct file *f)
{
	const char *type = r->in.body.table->text_type;
	const char *head = f->media.typed ? "\"type\":\"" : "";
	struct span written = f->written ? speech_written(r, f) : SPAN_LIT("");

	if (f->written && !written.p)
		return written;
	if (written.n)
		return arena_printf(&r->arena, "{%s%s%s\"text\":%.*s}", head,
			f->media.typed ? (type ? type : "text") : "",
			f->media.typed ? "\"," : "", SPAN_ARG(written));

	return arena_printf(&r->arena, "{%s%s%s\"text\":\"[a file was removed here: %s]\"}",
		head, f->media.typed ? (type ? type : "text") : "", f->media.typed ? "\"," : "",
		f->kind[0] ? f->kind : "unknown");
}

static int
file_by_start(const void *a, const void *b)
{
	const struct media *x = &(*(const struct file *const *)a)->media,
			   *y = &(*(const struct file *const *)b)->media;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end > y->end ? -1 : x->end < y->end;
}

/* Returns true if the splice is inside one of these files, which are sorted and not nested.
 */
static bool
goes_with_file(const struct splice *x, const struct file *const *v, size_t n)
{
	size_t from = 0;

	while (n - from > 1) {
		size_t middle = from + (n - from) / 2;
		if (v[middle]->media.start <= x->start)
			from = middle;
		else
			n = middle;
	}
	return n > from && x->start >= v[from]->media.start && x->end <= v[from]->media.end;
}

int
request_cut_files(struct request *r, struct splice *v, size_t *n)
{
	const struct file **cut = arena_array(&r->arena, r->in.nfiles + 1, sizeof(*cut));
	size_t ncut = 0, outer = 0, kept = 0;

	if (!cut)
		return ERR_NOMEM;
	for (size_t i = 0; i < r->in.nfiles; i++)
		if (r->in.files[i].stripped)
			cut[ncut++] = &r->in.files[i];
		else if (r->in.files[i].bare.with.p)
			v[(*n)++] = r->in.files[i].bare;
	qsort(cut, ncut, sizeof(*cut), file_by_start);
	for (size_t i = 0; i < ncut; i++)
		if (!outer || cut[i]->media.start >= cut[outer - 1]->media.end)
			cut[outer++] = cut[i];
	for (size_t i = 0; i < *n; i++)
		if (!goes_with_file(&v[i], cut, outer))
			v[kept++] = v[i];
	for (size_t i = 0; i < outer; i++)
		v[kept++] = (struct splice){ cut[i]->media.start, cut[i]->media.end,
			stripped_text(r, cut[i]) };
	*n = kept;
	return arena_failed(&r->arena) ? ERR_NOMEM : 0;
}

/* Returns the kind as the caller knows it: an Office document is a zip with such names inside.
 */
static struct span
kind_in_words(const struct file *f)
{
	static const struct {
		const char *begins, *kind;
	} office[] = { { "word/", "docx" }, { "xl/", "xlsx" }, { "ppt/", "pptx" },
		{ "META-INF/manifest.xml", "OpenDocument" } };

	for (size_t i = 0; i < f->ntexts && span_is(span_str(f->kind), "zip"); i++)
		for (size_t k = 0; k < COUNT_OF(office); k++)
			if (span_starts(f->texts[i].text, span_str(office[k].begins)))
				return span_str(office[k].kind);
	return f->kind[0] ? span_str(f->kind) : f->media.kind;
}

/* Advice to the caller, by reason. `kind` NULL: any. */
static const struct {
	const char *why, *kind, *advice;
} advice[] = {
	{ "old_office", NULL,
		"save the document as .docx, .xlsx or .pptx, and a message as .txt or .pdf" },
	{ "encrypted", "ole", "remove the password, then send the file again" },
	{ "encrypted", "zip", "remove the password, then send the file again" },
	{ "encrypted", "pdf", "remove the password, then send the file again" },
};

struct span
request_unread_files(struct request *r)
{
	const struct file *f = NULL;

	for (size_t i = 0; i < r->in.nfiles && !f; i++)
		if (r->in.files[i].why)
			f = &r->in.files[i];
	const struct segment *s = f && f->media.segment < r->in.body.nsegments
					  ? &r->in.body.segments[f->media.segment]
					  : NULL;
	if (s && s->sealed)
		return arena_printf(&r->arena,
			"%s holds bytes that the gateway cannot inspect, and that do not look "
			"as if the provider had encrypted them: remove it",
			segment_path(r->in.body.segments, s, (char[SEGMENT_PATH]){ 0 }));
	if (r->in.body.format == BODY_FORM && (!f || f->why == file_no_reader))
		return SPAN_LIT("the gateway cannot inspect a file in a form of this type: "
				"send it as a part of "
				"multipart/form-data");
	if (!f || !f->bytes)
		return SPAN_LIT(
			"the request contains parts that the gateway cannot inspect (images, "
			"audio, files or unknown types): send their content as text");
	struct span kind = kind_in_words(f);
	for (size_t i = 0; i < COUNT_OF(advice); i++)
		if (f->why && str_same(f->why, advice[i].why) &&
			(!advice[i].kind || str_same(f->kind, advice[i].kind)))
			return arena_printf(&r->arena,
				"the request contains a file that the gateway cannot inspect "
				"(%.*s: "
				"%s): %s",
				SPAN_ARG(kind), f->why, advice[i].advice);
	if (f->why == file_not_asked && f->picture)
		return arena_printf(&r->arena,
			"the request contains a picture (%.*s), and no rule requires that its "
			"text "
			"is recognized: send its content as text",
			SPAN_ARG(kind));
	if (f->why_page)
		return arena_printf(&r->arena,
			"the request contains a file that the gateway cannot inspect (%.*s: %s "
			"on page %u): "
			"send its content as text",
			SPAN_ARG(kind), f->why, f->why_page);
	return arena_printf(&r->arena,
		"the request contains a file that the gateway cannot inspect (%.*s: %s): "
		"send its content as text",
		SPAN_ARG(kind), f->why == file_no_reader ? "no reader" : f->why);
}
