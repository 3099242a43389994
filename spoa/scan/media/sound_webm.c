/* Finds the length of the sound of WebM and Matroska (RFC 9559, on EBML: RFC 8794) by the time
 * of its last block. Browsers record without a stated duration. */
#include "scan/media/sound_reader.h"

enum {
	EBML_HEAD = 0x1a45dfa3,
	SEGMENT = 0x18538067,
	INFO = 0x1549a966,
	SCALE = 0x2ad7b1,
	DURATION = 0x4489,
	TRACKS = 0x1654ae6b,
	TRACK = 0xae,
	TRACK_NUMBER = 0xd7,
	TRACK_TYPE = 0x83,
	CODEC = 0x86,
	AUDIO = 0xe1,
	CHANNELS = 0x9f,
	ATTACHMENTS = 0x1941a469,
	CLUSTER = 0x1f43b675,
	CLUSTER_TIME = 0xe7,
	SIMPLE_BLOCK = 0xa3,
	BLOCK_GROUP = 0xa0,
	BLOCK = 0xa1,
	EBML_DEEP = 6,
	ELEMENTS_MOST = 1000000,
	TYPE_FILM = 1,
	TYPE_SOUND = 2,
	BLOCK_MS = 120, /* the longest block of sound that browsers write */
	NS_A_MS = 1000000,
};

struct webm_sound {
	struct sound *out;
	size_t elements;
	unsigned sounds;
	uint64_t number, type, sound_number; /* of the track that is read */
	uint64_t scale;			     /* ns of a unit of time */
	uint64_t cluster, last;		     /* units */
	double stated;			     /* units */
};

/* Returns the length in bytes of a variable-size integer, or 0. */
static unsigned
vint_bytes(unsigned first)
{
	for (unsigned n = 1; n <= 8; n++)
		if (first & 0x100 >> n)
			return n;
	return 0;
}

static uint64_t
vint(struct media_rd *r, bool marked, bool *unknown)
{
	unsigned char first = media_left(r) ? (unsigned char)r->s.p[r->at] : 0;
	unsigned n = vint_bytes(first);
	uint64_t v = n ? media_number(r, n) : 0, all = (UINT64_C(1) << (7 * n)) - 1;

	r->err |= !n;
	*unknown = !marked && (v & all) == all;
	return marked ? v : v & all;
}

static void
block_at(struct webm_sound *w, struct span data)
{
	struct media_rd r = media_rd(data);
	bool unknown;
	uint64_t track = vint(&r, false, &unknown);
	int16_t after = (int16_t)media_u16(&r);

	if (r.err || track != w->sound_number)
		return;
	uint64_t at = after < 0 && w->cluster < (uint64_t)-after
			      ? 0
			      : w->cluster + (uint64_t)(int64_t)after;
	w->last = at > w->last ? at : w->last;
}

static void
webm_codec(struct webm_sound *w, struct span id)
{
	static const struct {
		const char *id, *codec;
	} codecs[] = { { "A_OPUS", "opus" }, { "A_VORBIS", "vorbis" }, { "A_AAC", "aac" },
		{ "A_FLAC", "flac" }, { "A_MPEG/L3", "mp3" }, { "A_PCM/INT/LIT", "pcm" },
		{ "A_PCM/FLOAT/IEEE", "pcm" } };

	for (size_t i = 0; i < COUNT_OF(codecs); i++)
		if (span_starts(id, span_str(codecs[i].id)))
			w->out->codec = codecs[i].codec;
}

static void elements_in(struct webm_sound *w, struct span s, unsigned depth);

static void
element_in(struct webm_sound *w, uint64_t id, struct span data, unsigned depth)
{
	struct media_rd r = media_rd(data);
	uint64_t v = data.n <= 8 ? media_number(&r, data.n) : 0;

	switch (id) {
	case TRACK:
		w->number = w->type = 0;
		elements_in(w, data, depth + 1);
		if (w->type == TYPE_SOUND && !w->sounds++)
			w->sound_number = w->number;
		w->out->film |= w->type == TYPE_FILM;
		break;
	case SEGMENT:
	case INFO:
	case TRACKS:
	case AUDIO:
	case CLUSTER:
	case BLOCK_GROUP: elements_in(w, data, depth + 1); break;
	case SCALE: w->scale = v; break;
	case DURATION:
		if (data.n == 4)
			w->stated = (double)(union {
				uint32_t i;
				float f;
			}){ .i = (uint32_t)v }
					    .f;
		else if (data.n == 8)
			w->stated = (union {
				uint64_t i;
				double d;
			}){ .i = v }
					    .d;
		break;
	case TRACK_NUMBER: w->number = v; break;
	case TRACK_TYPE: w->type = v; break;
	case CODEC: webm_codec(w, data); break;
	case CHANNELS: w->out->channels = (unsigned)v; break;
	case CLUSTER_TIME: w->cluster = v; break;
	case SIMPLE_BLOCK:
	case BLOCK: block_at(w, data); break;
	case ATTACHMENTS: sound_has(w->out, SOUND_IN_TAG); break;
	default: break;
	}
}

/* An element of unknown size extends to the end of the one around it. A cluster of unknown size
 * contains the clusters after it then, which changes no time. */
static void
elements_in(struct webm_sound *w, struct span s, unsigned depth)
{
	struct media_rd r = media_rd(s);
	bool unknown;

	while (media_left(&r) >= 2 && w->elements++ < ELEMENTS_MOST) {
		uint64_t id = vint(&r, true, &unknown), n = vint(&r, false, &unknown);
		if (unknown)
			n = media_left(&r);
		if (unknown && id == CLUSTER)
			continue; /* its elements follow at this level */
		struct span data = media_take(&r, n);
		if (r.err || depth == EBML_DEEP) {
			sound_has(w->out, SOUND_LENGTH);
			return;
		}
		element_in(w, id, data, depth);
	}
	if (w->elements >= ELEMENTS_MOST)
		sound_has(w->out, SOUND_LENGTH);
}

void
sound_webm(struct span bytes, struct sound *out)
{
	struct webm_sound w = { .out = out, .scale = NS_A_MS };

	out->channels = 1;
	elements_in(&w, bytes, 0);
	if (w.sounds != 1)
		sound_has(out, SOUND_STREAMS);
	double ms = (double)w.last * (double)w.scale / NS_A_MS,
	       stated = w.stated * (double)w.scale / NS_A_MS;
	if (!(ms >= 0 && ms < 1e12) || !(stated >= 0 && stated < 1e12)) {
		sound_has(out, SOUND_LENGTH);
		return;
	}
	out->ms = (uint64_t)ms + BLOCK_MS;
	if (w.stated > 0 && !out->film && sound_lies((uint64_t)stated, out->ms))
		sound_has(out, SOUND_LENGTH);
}
