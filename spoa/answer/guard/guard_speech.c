/* Speech in whole responses. If a rule reads response.speech, the sounds of a response are given
 * out before its end, and their transcripts are searched like its texts. A sound cannot be
 * redacted: a replacement denies the response. */
#include <sodium.h>

#include "answer/guard/guard_private.h"
#include "base/attr.h"
#include "base/codec/json.h"
#include "scan/media/sound.h"

enum { SOUNDS_MOST = 8 };

static const char unheard[] = "the response has sound that was not transcribed";

struct sounds_found {
	struct guard *g;
	struct span v[SOUNDS_MOST];
	size_t n;
	bool lost; /* one cannot be given out */
};

/* message.audio.data of a chat completion */
static void
take_sound(void *arg, int what UNUSED, struct span text, const struct json_event *at UNUSED)
{
	struct sounds_found *f = arg;
	char *to = f->n < SOUNDS_MOST && text.n ? arena_alloc(&f->g->life, text.n) : NULL;
	size_t n;
	const char *end;

	if (!to || sodium_base642bin((unsigned char *)to, text.n, text.p, text.n, NULL, &n, &end,
			   sodium_base64_VARIANT_ORIGINAL) ||
		end != text.p + text.n)
		f->lost = true;
	else
		f->v[f->n++] = span_of(to, n);
}

bool
guard_hears(const struct guard *g)
{
	return g->plan.hears && !g->speech.asked && !g->failed && g->way == WAY_KEEP;
}

size_t
guard_sounds(struct guard *g, const struct span **out)
{
	static const struct json_place places[] = { { "choices.message.audio.data", 0 } };
	struct sounds_found f = { .g = g };

	if (!guard_hears(g))
		return 0;
	g->speech.asked = true;
	if (g->coding[0] && guard_decode_whole(g))
		return 0;
	g->coding[0] = '\0';
	struct span raw = buf_view(&g->body);
	if (guard_begins_json(raw))
		json_strings(raw, places, COUNT_OF(places), false, &g->life, take_sound, &f);
	else if (g->type_media == MEDIA_AUDIO || sound_kind(file_kind_of(raw)))
		f.v[f.n++] = raw;
	if (f.lost) {
		guard_speech_told(g, NULL, NULL, 0, unheard);
		return 0;
	}
	struct span *v = arena_array(&g->life, f.n + 1, sizeof(*v));
	if (!v) {
		guard_no_memory(g);
		return 0;
	}
	memcpy(v, f.v, f.n * sizeof(*v));
	*out = v;
	return f.n;
}

void
guard_speech_told(struct guard *g, const struct span *text, const struct span *words, size_t n,
	const char *why)
{
	g->speech.told = !why;
	g->speech.why = why;
	if (text)
		g->speech.text = arena_dup(&g->life, *text);
	for (size_t i = 0; i < n && i < GUARD_SPEECH_WORDS; i++)
		g->speech.words[g->speech.nwords++] = arena_dup(&g->life, words[i]);
}

enum guard_result
guard_speech_scan(struct guard *g)
{
	struct answer_text t = { .kind = KIND_OTHER, .text = g->speech.text };
	bool is_new, evasion = g->evasion;

	if (g->speech.why && guard_unread(g, g->body.n, g->speech.why))
		return g->failed;
	if (!g->speech.told)
		return g->failed;
	guard_keep(g, &t, t.text);
	guard_heard(g, &t);
	guard_scan(g, &t, &g->speech.found, &is_new);
	g->evasion = evasion; /* words for digits are none here */
	return g->failed;
}

enum guard_result
guard_speech_settle(struct guard *g)
{
	struct answer_text t = { .kind = KIND_OTHER, .text = g->speech.text };
	size_t redactions = g->report.redactions;
	struct span now;

	if (!g->speech.told || g->failed || guard_edit(g, &t, &g->speech.found, &now))
		return g->failed;
	return g->report.redactions == redactions
		       ? g->failed
		       : guard_deny(g, "data that must be redacted is spoken in the response");
}

void
guard_speech_missed(struct guard *g, const struct answer_document *d)
{
	if (g->plan.hears && d->media >> MEDIA_AUDIO & 1 && !g->speech.told && !g->speech.why &&
		!g->failed)
		guard_unread(g, d->opaque_bytes, unheard);
}
