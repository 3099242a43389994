/* Writes the request's part of a record: the caller, how the request was read, its findings and
 * recognizers, and a list of fields that the record could not hold. The prompt appears only as
 * a keyed hash; if the route keeps it, the record has the place of the ciphertext. */
#include <math.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "gate/files/files.h"
#include "gate/files/speech.h"
#include "gate/limits/limits.h"
#include "gate/steps/record.h"
#include "policy/cel/value.h"
#include "policy/env.h"
#include "policy/external.h"
#include "policy/section.h"

/* The findings of one entity. */
struct tally {
	size_t n, samples;
	double best;
	unsigned sources; /* bits by recognizer */
};

/* Adds the entity's findings in one list. */
static void
add_findings_of(struct tally *t, const struct hit *hits, size_t n, size_t entity)
{
	for (size_t i = 0; i < n; i++) {
		const struct finding *f = &hits[i].f;
		if (f->entity != entity || hits[i].kind >= HIT_POSSIBLE ||
			!hit_counts(&hits[i]))
			continue;
		t->n++;
		t->samples += (f->flags & FINDING_SAMPLE) != 0;
		if ((double)f->score > t->best)
			t->best = (double)f->score;
		t->sources |= 1u << (f->flags >> FINDING_SOURCE_SHIFT);
	}
}

/* Lists the recognizers that found the entity. */
static void
put_sources(const struct request *r, struct buf *b, unsigned sources)
{
	const struct policy *p = r->snap->policy;
	size_t n = 0;

	for (size_t i = 0; i < p->nexternals; i++)
		if (sources >> p->externals[i].rec.source & 1)
			put_text_item(
				b, RF_ENTITIES_BY, n++, span_str(p->externals[i].rec.name));
	put_end(b, n);
}

/* Writes the outcome of on_failure.classifier, if it is by classes and a detector or recognizer
 * failed. */
static void
put_unclassified(const struct request *r, struct buf *b)
{
	const struct policy_class *by = r->found.unclassified_by;
	bool silent = r->found.search != SEARCH_WHOLE ||
		      (r->found.have_verdict && request_unanswered(r));

	for (size_t i = 0; i < r->scan.nrecognitions; i++)
		silent |= r->scan.recognitions[i].outcome != ASK_ANSWERED;
	if (!silent || !request_on_failure(r)->nby_class)
		return;
	put_object(b, RF_UNCLASSIFIED);
	put_name(b, RF_UNCLASSIFIED_APPLIED, outcome_words[r->found.unclassified]);
	put_name(b, RF_UNCLASSIFIED_CLASS, by ? by->name : NULL);
	buf_putc(b, '}');
}

void
record_recognitions(const struct request *r, struct buf *b)
{
	for (size_t i = 0; i < r->scan.nrecognitions; i++) {
		const struct recognition *c = &r->scan.recognitions[i];
		put_object_item(b, RF_RECOGNIZERS, i);
		put_name(b, RF_RECOGNIZERS_NAME, c->x->rec.name);
		put_name(b, RF_RECOGNIZERS_OUTCOME, ask_outcome_names[c->outcome]);
		if (c->outcome != ASK_ANSWERED)
			put_name(b, RF_RECOGNIZERS_APPLIED, outcome_words[c->applied]);
		put_int(b, RF_RECOGNIZERS_TEXTS, (int64_t)c->texts);
		put_int(b, RF_RECOGNIZERS_REMEMBERED, (int64_t)c->cached);
		put_int(b, RF_RECOGNIZERS_US, (int64_t)c->us);
		buf_putc(b, '}');
	}
	put_end(b, r->scan.nrecognitions);
	put_unclassified(r, b);
}

/* Writes the injection score with the digits that rules read. */
static void
put_injection(const struct request *r, struct buf *b)
{
	if (!r->snap->policy->scores)
		return;
	put_roles(b, RF_INJECTION_ROLES, r->snap->policy->inject_roles);
	put_member_key(b, RF_INJECTION);
	buf_printf(b, "%.6f", r->found.injection);
	if (r->found.injection_pattern) {
		put_member_key(b, RF_INJECTION_REASON);
		buf_printf(b, "\"pattern:%s\"", r->found.injection_pattern);
	}
}

void
record_findings(const struct request *r, struct buf *b)
{
	bool first = true;

	SCOPED_BUF(names, 4096);
	request_classes(r, &names);
	put_member_key(b, RF_CLASSES);
	buf_putc(b, '[');
	struct span rest = buf_view(&names);
	for (; rest.n; first = false) {
		buf_str(b, first ? "" : ",");
		buf_json_str(b, span_next(&rest, ','));
	}
	buf_putc(b, ']');
	put_injection(r, b);
	if (r->scan.nhits + r->scan.nextra + r->scan.nborder == 0)
		return;
	put_object(b, RF_ENTITIES);
	for (size_t e = 0; e < detect_entity_count(r->snap->rules); e++) {
		struct tally t = { 0 };
		if (!entity_in(&r->found.entities, e))
			continue;
		add_findings_of(&t, r->scan.hits, r->scan.nhits, e);
		add_findings_of(&t, r->scan.extra, r->scan.nextra, e);
		add_findings_of(&t, r->scan.border, r->scan.nborder, e);
		if (t.n == 0)
			continue;
		key_in_map(b, span_str(detect_entity_name(r->snap->rules, e)));
		/* other occurrences of the entity's values, which are replaced, too */
		size_t further = 0;
		for (size_t i = 0; i < r->scan.overlay.nhits; i++)
			further += r->scan.overlay.hits[i].of &&
				   r->scan.overlay.hits[i].f.entity == e;
		buf_putc(b, '{');
		put_int(b, RF_ENTITIES_COUNT, (int64_t)(t.n + further));
		put_member_key(b, RF_ENTITIES_SCORE);
		buf_printf(b, "%.2f", t.best);
		put_count(b, RF_ENTITIES_MENTIONS, further);
		put_count(b, RF_ENTITIES_SAMPLES, t.samples);
		put_roles(b, RF_ENTITIES_ROLES, r->found.roles ? r->found.roles[e] : 0);
		put_sources(r, b, t.sources);
		put_name(b, RF_ENTITIES_WITH, request_redacted_with(r, e));
		buf_putc(b, '}');
	}
	buf_putc(b, '}');
}

/* ---- the caller and the request ---- */

/* bytes of JSON */
enum { ATTRIBUTES_MAX = 8192 };

/* Returns the attributes that records keep: those in the identity's list `record`. Without a
 * list all, or none if records name persons by pseudonyms. */
static struct cel_value
attributes_kept(struct request *r)
{
	const struct identity *id = &r->found.identity;
	struct cel_value v = { .type = CEL_MAP, .list = { id->attributes, id->nattributes } };

	if (!id->nrecorded && request_pseudonyms(r))
		v.list.n = 0;
	if (!id->nrecorded)
		return v;
	struct cel_value *pairs = arena_array(&r->arena, 2 * id->nattributes, sizeof(*pairs));
	size_t n = 0;
	for (size_t i = 0; pairs && i < id->nattributes; i++)
		for (size_t k = 0; k < id->nrecorded; k++)
			if (span_is(id->attributes[2 * i].s, id->recorded[k])) {
				memcpy(&pairs[2 * n++], &id->attributes[2 * i],
					2 * sizeof(*pairs));
				break;
			}
	v.list.v = pairs;
	v.list.n = n;
	return v;
}

void
held_attributes(struct request *r, struct held_attributes *out)
{
	const struct cel_value v = attributes_kept(r);

	buf_init(&out->json, ATTRIBUTES_MAX);
	if (v.list.n)
		cel_json(&v, &out->json);
	out->n = buf_failed(&out->json) ? -1 : (int64_t)v.list.n;
}

void
record_identity(struct request *r, const struct held_attributes *held, struct buf *b)
{
	const struct identity *id = &r->found.identity;

	put_object(b, RF_IDENTITY);
	put_name(b, RF_IDENTITY_METHOD, id->method);
	put_utf8(b, RF_IDENTITY_PERSON, request_person_shown(r));
	put_utf8(b, RF_IDENTITY_AGENT, id->agent);
	put_utf8(b, RF_IDENTITY_DEPARTMENT, id->department);
	put_utf8(b, RF_IDENTITY_TEAM, id->team);
	put_utf8(b, RF_IDENTITY_TIER, id->tier);
	put_int(b, RF_IDENTITY_CLEARANCE, id->clearance);
	for (size_t i = 0; i < id->nroles && i < LIST_MAX; i++)
		put_text_item(b, RF_IDENTITY_ROLES, i, cut_utf8(id->roles[i].s, VALUE_MAX));
	put_end(b, id->nroles);
	if (id->nroles > LIST_MAX)
		put_int(b, RF_IDENTITY_ROLES_TOTAL, (int64_t)id->nroles);
	if (held->n > 0) {
		put_member_key(b, RF_IDENTITY_ATTRIBUTES);
		buf_span(b, buf_view(&held->json));
	}
	if (held->n < (int64_t)id->nattributes)
		put_int(b, RF_IDENTITY_ATTRIBUTES_TOTAL, (int64_t)id->nattributes);
	put_utf8(b, RF_IDENTITY_ISSUER, id->issuer);
	put_utf8(b, RF_IDENTITY_KEY, id->key_id);
	buf_putc(b, '}');
	if (r->found.identified && !id->verified)
		put_name(b, RF_ATTRIBUTED, "service-account");
}

/* Returns true if readers of JSON accept the number: at most 18 digits, or a finite double. */
static bool
readable_number(struct span s)
{
	char text[65];
	bool whole = true;

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	for (size_t i = 0; i < s.n; i++)
		whole = whole && !strchr(".eE", text[i]);
	return whole ? s.n <= 18 : isfinite(strtod(text, NULL));
}

/* Returns the parameter that a condition's slot reads, if a record may hold it: numbers,
 * booleans, and words of closed lists. Other strings may be text of the caller. */
static const struct body_param *
param_of(const struct request *r, size_t slot)
{
	struct span name = policy_slot_parameter(slot);
	bool words = slot == V_REQ_SERVICE_TIER || slot == V_REQ_TOOL_CHOICE ||
		     slot == V_REQ_REASONING || slot == V_REQ_VERBOSITY;

	for (size_t i = 0; i < r->in.body.nparams; i++) {
		const struct body_param *p = &r->in.body.params[i];
		if (!span_eq(p->name, name))
			continue;
		if (p->text.n > 64 || (p->kind == PARAM_NUMBER && !readable_number(p->text)) ||
			(p->kind == PARAM_STRING && !words))
			return NULL;
		for (size_t k = 0; p->kind == PARAM_STRING && k < p->text.n; k++)
			if (!is_lower(p->text.p[k]) && p->text.p[k] != '_')
				return NULL;
		return p;
	}
	return NULL;
}

static void
put_params(const struct request *r, struct buf *b)
{
	size_t n = 0;

	if (!r->in.have_body || !r->in.body.nparams)
		return;
	for (size_t slot = V_REQ_TEMPERATURE; slot < V_COUNT; slot++) {
		const struct body_param *p =
			policy_slot_parameter(slot).n ? param_of(r, slot) : NULL;
		if (!p)
			continue;
		if (n++ == 0)
			put_object(b, RF_REQUEST_PARAMETERS);
		key_in_map(b, policy_slot_parameter(slot));
		if (p->kind == PARAM_STRING)
			buf_json_str(b, p->text);
		else if (p->kind == PARAM_NULL)
			buf_str(b, "null");
		else
			buf_span(b, p->text);
	}
	if (n)
		buf_putc(b, '}');
}

/* Writes the path if it was searched and the target has no finding, else its length and hash.
 * The query and header values are never written. */
static void
put_path(struct request *r, struct buf *b)
{
	unsigned char h[SHA256_BYTES];

	put_str(b, RF_REQUEST_PATH, request_path_shown(r));
	if (request_path_state(r) == PATH_CLEAN)
		return;
	put_int(b, RF_REQUEST_PATH_BYTES, (int64_t)r->in.head.path.n);
	hmac_sha256(r->gate->shared->prompt_key, r->in.head.path, h);
	put_text_hash(b, RF_REQUEST_PATH_HMAC_SHA256, r, h);
}

/* Writes a value that its sender chose. If no rule read the request, the value is searched
 * first. An IP address is exempt, because the detectors would find it as one. */
static void
put_chosen(struct request *r, struct buf *b, enum record_field f, struct span s)
{
	struct cel_value ip;
	bool text = s.n && cel_ip_parse(span_trim(s, "[]"), &ip) < 0;
	bool out =
		!r->found.have_verdict && text && request_may_hold(r, cut_utf8(s, VALUE_MAX));

	put_str(b, f, out ? SPAN_LIT("<redacted>") : s);
}

/* Returns true if put_str() writes every byte unchanged. */
static bool
held_ascii(struct span s)
{
	return s.n <= VALUE_MAX && span_is_ascii(s);
}

/* Returns true if the record may hold the conversation's id, which the caller may have chosen.
 */
static bool
held_conversation(struct request *r)
{
	struct span id = r->found.conversation;

	if (id.n && r->found.conversation_state == CONVERSATION_UNREAD) {
		bool out = !held_ascii(id) || request_credential_in(r, id) ||
			   request_may_hold(r, id);
		r->found.conversation_state = out ? CONVERSATION_OUT : CONVERSATION_HELD;
	}
	return r->found.conversation_state != CONVERSATION_OUT;
}

void
record_request(struct request *r, struct buf *b)
{
	char own[CONVERSATION_DIGITS + 1];

	put_object(b, RF_REQUEST);
	if (request_is_method(r->in.head.method))
		put_chosen(r, b, RF_REQUEST_METHOD, r->in.head.method);
	put_chosen(r, b, RF_REQUEST_HOST, r->in.host);
	put_path(r, b);
	put_str(b, RF_REQUEST_SRC, r->in.src);
	put_str(b, RF_REQUEST_TRACEPARENT, request_trace(r));
	if (r->in.declared_length >= 0)
		put_int(b, RF_REQUEST_CONTENT_LENGTH, r->in.declared_length);
	put_count(b, RF_REQUEST_ATTEMPT, request_attempt(r) > 1 ? request_attempt(r) : 0);
	put_params(r, b);
	if (held_conversation(r))
		put_str(b, RF_REQUEST_CONVERSATION, request_conversation_shown(r, own));
	buf_putc(b, '}');
}

static void
put_file_read(struct buf *b, const struct file *f)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = { { FILE_METADATA, "metadata" }, { FILE_TEXT, "text" },
		{ FILE_OCR, "ocr" }, { FILE_SPEECH, "speech" } };
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (f->read & words[i].bit)
			put_text_item(b, RF_PROMPT_FILES_READ, n++, span_str(words[i].word));
	put_end(b, n);
}

static void
put_speech(const struct request *r, struct buf *b, const struct file *f)
{
	const struct speech *s = f->speech;
	unsigned char hash[SHA256_BYTES];
	bool any = false;

	if (!s || !s->by)
		return;
	put_count(b, RF_PROMPT_FILES_SECONDS, (s->sound.ms + 999) / 1000);
	put_name(b, RF_PROMPT_FILES_CODEC, s->sound.codec[0] ? s->sound.codec : NULL);
	put_count(b, RF_PROMPT_FILES_CHANNELS, s->sound.channels);
	put_name(b, RF_PROMPT_FILES_BY, s->by ? s->by->name : NULL);
	if (!(f->read & FILE_SPEECH) || !r->gate)
		return;
	if (s->language.n)
		put_str(b, RF_PROMPT_FILES_LANGUAGE, s->language);
	SCOPED_BUF(all, 0);
	for (size_t i = 0; i < s->nheard; i++)
		for (size_t k = 0; k < s->heard[i].ntexts; k++, any = true) {
			buf_span(&all, f->texts[s->heard[i].text + k].text);
			buf_putc(&all, '\n');
		}
	if (!any || buf_failed(&all))
		return;
	hmac_sha256(r->gate->shared->prompt_key, buf_view(&all), hash);
	put_text_hash(b, RF_PROMPT_FILES_TRANSCRIPT, r, hash);
}

/* Writes where a finding is in the file, with a space before: the page, or the time in a sound. */
static void
put_place_in_file(const struct request *r, struct buf *b, const struct file_place *at)
{
	SCOPED_BUF(words, 0);

	file_place_put(r, at, &words);
	if (at->spoken)
		buf_printf(b, " %u:%02u", (unsigned)(at->ms / 60000), (unsigned)(at->ms / 1000 % 60));
	else if (at->page)
		buf_printf(b, " %u", at->page);
	else if (words.n)
		buf_printf(b, " %.*s", SPAN_ARG(buf_view(&words)));
	if (at->uncertain)
		buf_str(b, " uncertain");
}

/* Lists what was found in a file and on which page or at which time, once each: "IBAN 3", "IBAN
 * 0:12", "IBAN sheet Payroll, B17", or "IBAN 3 uncertain" if OCR may have misread it. */
static void
put_found_in(const struct request *r, struct buf *b, const struct file *f)
{
	size_t n = 0, at[LIST_MAX + 1];

	SCOPED_BUF(said, 0);
	for (size_t i = 0; i < r->scan.nhits + r->scan.nextra && n < LIST_MAX; i++) {
		const struct hit *h = i < r->scan.nhits ? &r->scan.hits[i]
							: &r->scan.extra[i - r->scan.nhits];
		struct file_place place;
		if (h->kind >= HIT_POSSIBLE || request_file_of(r, h, &place) != f)
			continue;
		size_t k = 0, begins = at[n] = said.n;
		buf_str(&said, detect_entity_name(r->snap->rules, h->f.entity));
		put_place_in_file(r, &said, &place);
		if (buf_failed(&said))
			break;
		struct span one = span_cut(buf_view(&said), begins, said.n);
		while (k < n && !span_eq(one, span_cut(buf_view(&said), at[k], at[k + 1])))
			k++;
		if (k < n)
			said.n = begins;
		else
			at[++n] = said.n;
	}
	for (size_t k = 0; k < n; k++)
		put_text_item(b, RF_PROMPT_FILES_FOUND, k,
			span_cut(buf_view(&said), at[k], at[k + 1]));
	put_end(b, n);
}

static void
put_files(const struct request *r, struct buf *b)
{
	size_t n = r->in.nfiles < LIST_MAX ? r->in.nfiles : LIST_MAX;

	for (size_t i = 0; i < n; i++) {
		const struct file *f = &r->in.files[i];
		put_object_item(b, RF_PROMPT_FILES, i);
		put_str(b, RF_PROMPT_FILES_KIND,
			f->kind[0] ? span_str(f->kind) : f->media.kind);
		put_count(b, RF_PROMPT_FILES_BYTES, f->bytes);
		put_count(b, RF_PROMPT_FILES_PAGES, f->pages);
		put_flag(b, RF_PROMPT_FILES_MACROS, f->macros);
		put_speech(r, b, f);
		put_file_read(b, f);
		put_name(b, RF_PROMPT_FILES_UNREAD, f->why);
		put_count(b, RF_PROMPT_FILES_UNREAD_PAGE, f->why_page);
		put_found_in(r, b, f);
		put_flag(b, RF_PROMPT_FILES_STRIPPED, f->stripped);
		put_flag(b, RF_PROMPT_FILES_BARE, f->bare.with.p && !f->stripped);
		put_count(b, RF_PROMPT_FILES_US, f->us);
		buf_putc(b, '}');
	}
	put_end(b, n);
}

/* Writes the uninspected parts. Kinds of opaque parts are constants. */
static void
put_unread(const struct request *r, struct buf *b)
{
	const struct unread *u = &r->in.unread;

	put_int(b, RF_PROMPT_OPAQUE_BYTES, (int64_t)u->bytes);
	put_int(b, RF_PROMPT_OPAQUE_PARTS, (int64_t)u->nmedia);
	put_spans(b, RF_PROMPT_MEDIA, r->in.media,
		r->in.nmedia < LIST_MAX ? r->in.nmedia : LIST_MAX);
	put_spans(b, RF_PROMPT_SPEECH, r->in.speech,
		r->in.nspeech < LIST_MAX ? r->in.nspeech : LIST_MAX);
	put_count(b, RF_PROMPT_SPEECH_SECONDS, (uint64_t)r->in.speech_seconds);
	put_flag(b, RF_PROMPT_MACROS, r->in.macros);
	put_files(r, b);
	if (u->sealed) {
		put_int(b, RF_PROMPT_SEALED_BYTES, (int64_t)u->sealed_bytes);
		put_int(b, RF_PROMPT_SEALED_PARTS, (int64_t)u->sealed);
	}
}

/* Counts by kind what the body only refers to. */
static void
put_references(const struct body *body, struct buf *b)
{
	put_object(b, RF_PROMPT_REFERENCES);
	for (size_t i = 0; i < body->nrefs; i++) {
		key_in_map(b, span_str(body->refs[i].kind));
		buf_int(b, (int64_t)body->refs[i].n);
	}
	buf_putc(b, '}');
}

/* Writes the names of tool results if a record may hold all of them. Returns false if it may
 * not, so that a replay must not use the list. b NULL: writes nothing. */
static bool
put_results(struct request *r, struct buf *b)
{
	struct span *names;
	size_t n = 0;

	if (!r->found.have_verdict || !r->snap->policy->reads_results || !r->in.have_body)
		return true;
	SCOPED_ARENA(own, CAP_REQUEST_ARENA, true);
	bool held =
		dialect_results(&r->in.body, r->in.raw, &own, &names, &n) == 0 && n <= LIST_MAX;
	for (size_t i = 0; held && i < n; i++)
		held = held_ascii(names[i]) && !request_credential_in(r, names[i]) &&
		       !request_may_hold(r, names[i]);
	if (held && b)
		put_spans(b, RF_PROMPT_TOOL_RESULTS, names, n);
	return held;
}

void
record_not_inspected(const struct request *r, struct buf *b)
{
	const struct {
		bool is;
		const char *kind;
	} rows[] = { { true, "header values" },
		{ r->in.unreadable && !r->in.have_body && r->in.raw.n, "body" },
		{ r->in.unread.nmedia, "opaque parts" },
		{ r->in.unread.sealed, "sealed parts" },
		{ r->in.have_body && r->in.body.nrefs, "references" },
		{ r->found.endpoint.beside && r->out.decision.kind != D_DENY, "session" },
		{ r->out.decision.kind == D_OBSERVED && r->in.trailers, "trailers" } };
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].is)
			put_text_item(b, RF_NOT_INSPECTED, n++, span_str(rows[i].kind));
	put_end(b, n);
}

void
record_prompt(struct request *r, struct buf *b)
{
	bool none = r->in.body_state == BODY_STATE_NONE,
	     any = r->in.nmedia || r->in.unread.sealed;

	if (none && !any)
		return;
	put_object(b, RF_PROMPT);
	if (none || r->in.body_state == BODY_STATE_PARTIAL || !r->in.raw.p) {
		size_t seen = r->in.have_body ? r->in.body.inspected_bytes : 0;
		put_flag(b, RF_PROMPT_NOT_READ, !none && !seen);
		put_flag(b, RF_PROMPT_HEAD_ONLY, r->in.body_state == BODY_STATE_PARTIAL);
		put_count(b, RF_PROMPT_INSPECTED_BYTES, seen);
		if (r->found.observed && !none && r->in.declared_length >= 0)
			put_int(b, RF_PROMPT_NOT_INSPECTED_BYTES,
				r->in.declared_length - (int64_t)seen);
		if (any)
			put_unread(r, b);
		buf_putc(b, '}');
		return;
	}
	if (!r->found.route || r->found.route->record_prompt != KEPT_OFF)
		put_text_hash(b, RF_PROMPT_HMAC_SHA256, r, r->found.raw_hmac);
	put_int(b, RF_PROMPT_BYTES, (int64_t)r->in.raw.n);
	put_str(b, RF_PROMPT_ENCODING, r->in.coding);
	if (r->in.have_body) {
		put_int(b, RF_PROMPT_SEGMENTS, (int64_t)r->in.body.nsegments);
		put_int(b, RF_PROMPT_INSPECTED_BYTES, (int64_t)r->in.body.inspected_bytes);
		put_unread(r, b);
		if (r->in.body.nrefs)
			put_references(&r->in.body, b);
		put_results(r, b);
	}
	put_flag(b, RF_PROMPT_UNREADABLE, r->in.unreadable);
	put_int(b, RF_PROMPT_ESTIMATED_INPUT_TOKENS, r->found.prompt_tokens);
	put_flag(b, RF_PROMPT_TOKENS_EXACT, r->found.tokens_by && !r->found.tokens.estimated);
	put_flag(b, RF_PROMPT_TOKENS_BY_BYTES, r->found.tokens.by_bytes);
	if (r->found.input_tokens != r->found.prompt_tokens)
		put_int(b, RF_PROMPT_RESERVED_INPUT_TOKENS, r->found.input_tokens);
	put_int(b, RF_PROMPT_RESERVED_OUTPUT_TOKENS, r->found.output_tokens);
	if (r->found.seal)
		record_kept(b, RF_PROMPT_KEPT, &r->found.seal->prompt);
	buf_putc(b, '}');
}

static bool
held_roles(const struct identity *id)
{
	bool held = id->nroles <= LIST_MAX;

	for (size_t i = 0; i < id->nroles; i++)
		held &= id->roles[i].s.n <= VALUE_MAX;
	return held;
}

static bool
held_parameter(const struct request *r, size_t slot)
{
	struct span name = policy_slot_parameter(slot);

	for (size_t i = 0; r->in.have_body && i < r->in.body.nparams; i++)
		if (span_eq(r->in.body.params[i].name, name))
			return param_of(r, slot) != NULL;
	return true;
}

/* Returns true if the record has the slot's value as conditions read it. */
static bool
is_held(struct request *r, const struct held_attributes *held, size_t slot)
{
	const struct identity *id = &r->found.identity;
	char own[CONVERSATION_DIGITS + 1];

	switch (slot) {
	case V_IDENTITY_PERSON:
		return id->person.n <= VALUE_MAX &&
		       !(r->found.seal && r->found.seal->pseudonym[0]);
	case V_IDENTITY_AGENT: return id->agent.n <= VALUE_MAX;
	case V_IDENTITY_DEPARTMENT: return id->department.n <= VALUE_MAX;
	case V_IDENTITY_TEAM: return id->team.n <= VALUE_MAX;
	case V_IDENTITY_TIER: return id->tier.n <= VALUE_MAX;
	case V_IDENTITY_ROLES: return held_roles(id);
	case V_IDENTITY_ATTRIBUTES: return held->n == (int64_t)id->nattributes;
	case V_PROMPT_MEDIA: return r->in.nmedia <= LIST_MAX;
	case V_PROMPT_SPEECH: return r->in.nspeech <= LIST_MAX;
	case V_PROMPT_TOOL_RESULTS: return put_results(r, NULL);
	case V_MODEL_NAME:
		return r->in.body.model.n <= VALUE_MAX && r->in.asked_model.n <= VALUE_MAX &&
		       !span_is(r->in.body.model, "<redacted>") &&
		       !span_is(r->in.asked_model, "<redacted>");
	case V_REQUEST_METHOD: return held_ascii(r->in.head.method);
	case V_REQUEST_HOST: return held_ascii(r->in.host);
	case V_REQUEST_PATH:
		return held_ascii(r->in.head.path) && request_path_state(r) == PATH_CLEAN;
	case V_REQUEST_CONVERSATION:
		return held_conversation(r) &&
		       span_eq(request_conversation_shown(r, own), r->found.conversation);
	default: return !policy_slot_parameter(slot).n || held_parameter(r, slot);
	}
}

void
record_not_held(struct request *r, const struct held_attributes *held, struct buf *b)
{
	size_t n = 0;

	for (size_t slot = 0; r->found.have_verdict && slot < V_COUNT; slot++) {
		if (is_held(r, held, slot))
			continue;
		put_text_item(b, RF_NOT_HELD, n++, span_str(policy_env.vars[slot].path));
	}
	put_end(b, n);
}
