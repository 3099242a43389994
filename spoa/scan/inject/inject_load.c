/* Loads the injection model, and the patterns and mentions. The model is read from a file,
 * or from the program if no file is given; the patterns and mentions are always those of the
 * program. The first section writes and reads the model's file: a magic number, the
 * calibration, the weights, and a SHA-256 of the contents. */
#include "base/scoped.h"
#include "scan/inject/inject_model.h"

#include <math.h>
#include <sodium.h>

#include "base/sha256.h"

/* ---- the file: magic, numbers as little-endian IEEE doubles, weights, SHA-256 ---- */

static const char magic[8] = "TGINJ\0\0\2";
enum {
	NUMBERS = 2 + 2 * INJECT_ORIGINS,
	FILE_BYTES = sizeof(magic) + 8 * NUMBERS + INJECT_BUCKETS + SHA256_BYTES,
};

static void
put_number(struct buf *out, double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof(u));
	u = htole64(u);
	buf_put(out, &u, sizeof(u));
}

static double
get_number(const char *p)
{
	uint64_t u = inject_eight(p);
	double v;

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
	unsigned char sum[SHA256_BYTES];
	const char *p = bytes.p;
	bool good;

	if (bytes.n != FILE_BYTES || memcmp(p, magic, sizeof(magic)))
		return false;
	sha256(span_cut(bytes, 0, bytes.n - SHA256_BYTES), sum);
	if (memcmp(sum, p + bytes.n - SHA256_BYTES, SHA256_BYTES))
		return false;
	sodium_bin2hex(m->version, sizeof(m->version), sum, sizeof(sum));
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

/* ---- loading ---- */

/* Model, patterns and mentions, included in the program by the assembler. */
extern const char inject_builtin[], inject_builtin_end[], inject_words[], inject_words_end[],
	inject_around[], inject_around_end[];
__asm__(".section .rodata\n"
	".global inject_builtin, inject_builtin_end, inject_words, inject_words_end\n"
	".global inject_around, inject_around_end\n"
	"inject_builtin:\n"
	".incbin \"policies/detectors/injection/model.bin\"\n"
	"inject_builtin_end:\n"
	"inject_words:\n"
	".incbin \"policies/detectors/injection/patterns.yaml\"\n"
	"inject_words_end:\n"
	".byte 0\n"
	"inject_around:\n"
	".incbin \"policies/detectors/injection/mentions.yaml\"\n"
	"inject_around_end:\n"
	".byte 0\n"
	".previous\n");

static bool
load_model(struct inject_model *m, const char *file, struct buf *errors)
{
	struct span bytes =
		span_of(inject_builtin, (size_t)(inject_builtin_end - inject_builtin));
	SCOPED_BUF(text, FILE_BYTES);
	bool good = false;

	if (file && !buf_file(&text, file))
		buf_printf(errors, "%s: cannot be read", file);
	else if (!(good = !buf_failed(&text) &&
			  inject_model_read(m, file ? buf_view(&text) : bytes)))
		buf_printf(errors, "%s: the file is not a model of this version, or is damaged",
			file ? file : "the injection model");
	return good;
}

static bool
load_patterns(struct inject *j, struct arena *a, struct buf *errors)
{
	struct span patterns = span_of(inject_words, (size_t)(inject_words_end - inject_words));
	struct span mentions =
		span_of(inject_around, (size_t)(inject_around_end - inject_around));
	unsigned char sum[SHA256_BYTES];
	struct sha256 h;
	struct diag d;

	diag_init(&d);
	bool good = inject_patterns_load(&j->patterns, a, "patterns.yaml", patterns, 2, &d) &&
		    inject_patterns_load(&j->mentions, a, "mentions.yaml", mentions, 1, &d);
	buf_span(errors, buf_view(&d.text));
	diag_free(&d);
	for (size_t i = 0; i < COUNT_OF(j->watch); i++)
		j->watch[i] = j->patterns.watch[i] | j->mentions.watch[i];
	sha256_begin(&h);
	sha256_add(&h, span_str(j->model.version));
	sha256_add(&h, patterns);
	sha256_add(&h, mentions);
	sha256_end(&h, sum);
	sodium_bin2hex(j->version, sizeof(j->version), sum, sizeof(sum));
	return good;
}

const struct inject *
inject_load(struct arena *a, const char *file, struct buf *errors)
{
	struct inject *j = arena_new(a, struct inject);

	if (!j) {
		buf_str(errors, "out of memory");
		return NULL;
	}
	return load_model(&j->model, file, errors) && load_patterns(j, a, errors) ? j : NULL;
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
