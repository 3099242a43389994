/* Scoring: the model's file, and the worst window of a text. */
#include "detect/inject_model.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sha256.h"

/* ---- the file: magic, numbers as little-endian IEEE doubles, weights, SHA-256 ---- */

static const char magic[8] = "TGINJ\0\0\1";
enum {
	NUMBERS = 2 + 2 * INJECT_ORIGINS,
	FILE_BYTES = sizeof(magic) + 8 * NUMBERS + INJECT_BUCKETS + SHA256_BYTES,
};

static void
put_number(struct buf *out, double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof(u));
	for (int i = 0; i < 8; i++)
		buf_putc(out, (char)(u >> (8 * i)));
}

static double
get_number(const char *p)
{
	uint64_t u = 0;
	double v;

	for (int i = 0; i < 8; i++)
		u |= (uint64_t)(unsigned char)p[i] << (8 * i);
	memcpy(&v, &u, sizeof(v));
	return v;
}

void
inject_model_write(const struct inject_model *m, struct buf *out)
{
	unsigned char sum[SHA256_BYTES];

	buf_put(out, magic, sizeof(magic));
	put_number(out, m->bias);
	put_number(out, m->scale);
	for (int o = 0; o < INJECT_ORIGINS; o++) {
		put_number(out, m->suspect[o]);
		put_number(out, m->block[o]);
	}
	buf_put(out, m->weight, sizeof(m->weight));
	sha256(buf_view(out), sum);
	buf_put(out, sum, sizeof(sum));
}

bool
inject_model_read(struct inject_model *m, struct span bytes)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char sum[SHA256_BYTES];
	const char *p = bytes.p;
	bool good;

	if (bytes.n != FILE_BYTES || memcmp(p, magic, sizeof(magic)))
		return false;
	sha256(span_cut(bytes, 0, bytes.n - SHA256_BYTES), sum);
	if (memcmp(sum, p + bytes.n - SHA256_BYTES, SHA256_BYTES))
		return false;
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		m->version[2 * i] = hex[sum[i] >> 4];
		m->version[2 * i + 1] = hex[sum[i] & 15];
	}
	m->version[64] = 0;
	p += sizeof(magic);
	m->bias = get_number(p);
	m->scale = get_number(p + 8);
	good = isfinite(m->bias) && isfinite(m->scale);
	for (int o = 0; o < INJECT_ORIGINS; o++) {
		m->suspect[o] = get_number(p + 16 + 16 * o);
		m->block[o] = get_number(p + 24 + 16 * o);
		good &= isfinite(m->suspect[o]) && isfinite(m->block[o]) &&
			m->suspect[o] < m->block[o];
	}
	memcpy(m->weight, p + 8 * NUMBERS, sizeof(m->weight));
	return good;
}

/* ---- scoring ---- */

double
inject_margin(const struct inject_model *m, int64_t sum, size_t n)
{
	return m->bias + m->scale * (double)sum / sqrt((double)(n + INJECT_SOFT));
}

/* Below it the model is so sure that a text is harmless that a pattern stands in a question
 * about it ("is it OK to ignore the previous instructions when I cook?"). */
#define PATTERN_FLOOR 0.05

struct scoring {
	struct inject_walk walk; /* first: take() is given its address */
	const struct inject_model *model;
	struct {
		int64_t sum;
		size_t n;
	} block[INJECT_WINDOW]; /* the last ones */
	size_t ended;		/* blocks */
	struct pattern_state patterns;
	const struct inject *inject;
	bool within; /* a block is under way */
	bool due;    /* a block ended that no window has seen */
	double worst;
};

static void
score_window(struct scoring *s)
{
	int64_t sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < INJECT_WINDOW && i < s->ended; i++) {
		sum += s->block[i].sum;
		n += s->block[i].n;
	}
	double margin = inject_margin(s->model, sum, n);
	if (margin > s->worst)
		s->worst = margin;
	s->due = false;
}

static void
take(struct inject_walk *w, bool end)
{
	struct scoring *s = (struct scoring *)(void *)w;
	const int8_t *weight = s->model->weight;
	size_t at = s->ended % INJECT_WINDOW;
	int64_t sum = 0;

	if (!s->within) {
		s->block[at].sum = 0;
		s->block[at].n = 0;
	}
	for (size_t i = 0; i < w->n; i++)
		sum += weight[w->f[i]];
	s->block[at].sum += sum;
	s->block[at].n += w->n;
	s->within = !end;
	if (!end)
		return;
	s->ended++;
	s->due = true;
	if (s->ended >= INJECT_WINDOW && s->ended % INJECT_STRIDE == 0)
		score_window(s);
}

static void
seen(struct inject_walk *w, uint32_t hash)
{
	struct scoring *s = (struct scoring *)(void *)w;

	inject_pattern_word(&s->inject->patterns, &s->patterns, hash, w->nwords);
}

static double
calibrate(const struct inject_model *m, double margin, enum inject_origin o)
{
	double steps = (margin - m->suspect[o]) / (m->block[o] - m->suspect[o]);

	/* Four digits: what a rule reads is what the record holds. */
	return floor(10000 / (1.0 + exp(-log(9.0) * steps)) + 0.5) / 10000;
}

struct inject_result
inject_score(const struct inject *j, struct span text, enum inject_origin o, uint64_t off)
{
	struct inject_result r = { 0, NULL };
	struct scoring s;

	memset(&s.patterns, 0, sizeof(s.patterns));
	s.inject = j;
	s.model = &j->model;
	s.ended = 0;
	s.within = s.due = false;
	s.worst = -HUGE_VAL;
	inject_walk_begin(&s.walk, take);
	s.walk.watch = j->patterns.watch;
	s.walk.seen = seen;
	inject_walk_text(&s.walk, text);
	inject_walk_end(&s.walk);
	if (s.due)
		score_window(&s);
	if (s.ended == 0)
		return r;
	r.score = calibrate(s.model, s.worst, o);
	s.patterns.found &= ~off;
	if (s.patterns.found) {
		r.pattern = inject_pattern_id(j, (size_t)__builtin_ctzll(s.patterns.found));
		if (r.score >= PATTERN_FLOOR && r.score < INJECT_BLOCK)
			r.score = INJECT_BLOCK;
	}
	return r;
}

/* ---- life ---- */

/* Model and patterns, put into the program by the assembler. */
extern const char inject_builtin[], inject_builtin_end[], inject_words[], inject_words_end[];
__asm__(".section .rodata\n"
	".global inject_builtin, inject_builtin_end, inject_words, inject_words_end\n"
	"inject_builtin:\n"
	".incbin \"policies/detectors/injection/model.bin\"\n"
	"inject_builtin_end:\n"
	"inject_words:\n"
	".incbin \"policies/detectors/injection/patterns.yaml\"\n"
	"inject_words_end:\n"
	".byte 0\n"
	".previous\n");

static bool
read_whole(const char *file, char *bytes, size_t room, size_t *n)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : 0;

	*n = 0;
	while (got >= 0 && *n < room && (got = read(fd, bytes + *n, room - *n)) > 0)
		*n += (size_t)got;
	if (fd >= 0)
		close(fd);
	return got >= 0;
}

static bool
load_model(struct inject_model *m, struct arena *a, const char *file, struct buf *errors)
{
	char *bytes = file ? arena_alloc(a, FILE_BYTES + 1) : NULL;
	struct span s = span_of(inject_builtin, (size_t)(inject_builtin_end - inject_builtin));

	if (file) {
		s.p = bytes;
		if (!bytes || !read_whole(file, bytes, FILE_BYTES + 1, &s.n)) {
			buf_printf(errors, "%s: cannot be read", file);
			return false;
		}
	}
	if (inject_model_read(m, s))
		return true;
	buf_printf(errors, "%s: not a model of this version, or damaged",
		file ? file : "the injection model");
	return false;
}

static bool
load_patterns(struct inject_patterns *p, struct arena *a, struct buf *errors)
{
	struct span text = span_of(inject_words, (size_t)(inject_words_end - inject_words));
	struct diag d;

	diag_init(&d);
	bool good = inject_patterns_load(p, a, "patterns.yaml", text, &d);
	buf_span(errors, buf_view(&d.text));
	diag_free(&d);
	return good;
}

static void
set_version(struct inject *j)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char sum[SHA256_BYTES];
	struct sha256 h;

	sha256_begin(&h);
	sha256_add(&h, span_str(j->model.version));
	sha256_add(&h, span_of(inject_words, (size_t)(inject_words_end - inject_words)));
	sha256_end(&h, sum);
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		j->version[2 * i] = hex[sum[i] >> 4];
		j->version[2 * i + 1] = hex[sum[i] & 15];
	}
	j->version[64] = 0;
}

const struct inject *
inject_load(struct arena *a, const char *file, struct buf *errors)
{
	struct inject *j = arena_new(a, struct inject);

	if (!j) {
		buf_str(errors, "out of memory");
		return NULL;
	}
	if (!load_model(&j->model, a, file, errors) || !load_patterns(&j->patterns, a, errors))
		return NULL;
	set_version(j);
	return j;
}

const char *
inject_version(const struct inject *j)
{
	return j->version;
}

const char *
inject_pattern_id(const struct inject *j, size_t i)
{
	return i < j->patterns.n ? j->patterns.v[i].id : NULL;
}
