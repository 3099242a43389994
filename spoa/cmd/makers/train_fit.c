/* Fits the model: a logistic regression over windows of text by AdaGrad, in a fixed order.
 *
 * The label of an attack belongs to the whole text, not to each of its windows. After a
 * first round over all windows, only the window with the highest score counts
 * (multiple-instance learning). The harmless part of a long attack is therefore not learned
 * as an attack. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cmd/makers/train.h"

/* A window, or a range of blocks, that the model is fitted on, with its label and weight. */
struct example {
	uint32_t block, nblocks, doc;
	bool attack;
	double weight;
};

/* The state of AdaGrad: the weights w and the bias, with their sums of squared gradients g
 * and bias_g, and the examples. */
struct fit {
	const struct train_set *set;
	unsigned without;
	double *w, *g, bias, bias_g;
	struct example *v;
	size_t n, room;
};

/* chosen on held-out sources; no value changes the result by more than a few points */
enum { ROUNDS = 3, EPOCHS = 2 };
static const double rate = 0.1, decay = 0.02;

/* Returns e^x for the logistic function, within 1e-15 of libm's result, and the same on
 * every machine. */
static double
own_exp(double x)
{
	static const double ln2 = 0.69314718055994530942;
	double t = 1, sum = 1;
	union {
		double d;
		uint64_t u;
	} two;

	if (x < -40)
		x = -40;
	if (x > 40)
		x = 40;
	int k = (int)(x / ln2 + (x < 0 ? -0.5 : 0.5));
	double r = x - (double)k * ln2;
	for (int i = 1; i < 18; i++) {
		t = t * r / (double)i;
		sum = sum + t;
	}
	two.u = (uint64_t)(1023 + k) << 52;
	return sum * two.d;
}

static double
margin_of(const struct fit *f, uint32_t block, uint32_t nblocks)
{
	const struct train_set *s = f->set;
	uint32_t from = s->start[block], to = s->start[block + nblocks];
	double sum = 0;

	for (uint32_t i = from; i < to; i++)
		sum += f->w[s->feature[i]];
	return f->bias + sum / sqrt((double)(to - from + INJECT_SOFT));
}

static void
step_fit(struct fit *f, const struct example *x)
{
	const struct train_set *s = f->set;
	uint32_t from = s->start[x->block], to = s->start[x->block + x->nblocks];
	double each = 1 / sqrt((double)(to - from + INJECT_SOFT));
	double p = 1 / (1 + own_exp(-margin_of(f, x->block, x->nblocks)));
	double d = (p - (x->attack ? 1 : 0)) * x->weight, g = d * each;

	for (uint32_t i = from; i < to; i++) {
		uint16_t k = s->feature[i];
		f->g[k] += g * g;
		f->w[k] -= rate * g / sqrt(f->g[k] + 1e-6);
	}
	f->bias_g += d * d;
	f->bias -= rate * d / sqrt(f->bias_g + 1e-6);
}

static void
train_epoch(struct fit *f, uint32_t *seed)
{
	for (size_t i = f->n; i > 1; i--) {
		size_t k = train_random(seed) % i;
		struct example t = f->v[k];
		f->v[k] = f->v[i - 1];
		f->v[i - 1] = t;
	}
	for (size_t i = 0; i < f->n; i++)
		step_fit(f, &f->v[i]);
	for (size_t i = 0; i < INJECT_BUCKETS; i++)
		f->w[i] *= 1 - decay;
}

static bool
add_example(struct fit *f, struct example x)
{
	if (!mem_room(&f->v, &f->room, f->n + 1, sizeof(*f->v)))
		return false;
	f->v[f->n++] = x;
	return true;
}

/* Sets the position of the i-th window, as the daemon scores windows. Returns false if
 * there is no such window. */
static bool
feature_window(const struct train_doc *d, uint32_t i, uint32_t *block, uint32_t *nblocks)
{
	uint32_t at = i * INJECT_STRIDE, n = d->nblocks;

	*nblocks = n < INJECT_WINDOW ? n : INJECT_WINDOW;
	if (n == 0 || (i && at + INJECT_WINDOW >= n + INJECT_STRIDE))
		return false;
	if (at + *nblocks > n)
		at = n - *nblocks;
	*block = d->block + at;
	return true;
}

/* Returns the weight of one window.
 *
 * A window of a harmless text counts two, because one false alarm among thousands of windows
 * matters. In a text of more than four windows, each counts 4 / sqrt(windows), so that a long
 * file does not outweigh many texts. The windows of an attack together count one, or half if
 * the attack was put inside another text. */
static double
weight_of(const struct train_doc *d, uint32_t windows, bool worst)
{
	if (d->attack)
		return (d->added ? 0.5 : 1) / (worst ? 1 : windows);
	return windows > 4 ? 4 / sqrt((double)windows) : 2;
}

/* Adds all windows of a harmless text; for an attack all windows, or only the one with the
 * highest score. */
static bool
add_windows(struct fit *f, uint32_t i, bool worst)
{
	const struct train_doc *d = &f->set->doc[i];
	struct example best = { 0 };
	double top = 0;
	uint32_t n = 0, b, nb;

	while (feature_window(d, n, &b, &nb))
		n++;
	for (uint32_t k = 0; feature_window(d, k, &b, &nb); k++) {
		struct example x = { b, nb, i, d->attack, weight_of(d, n, worst) };
		if (!worst || !d->attack) {
			if (!add_example(f, x))
				return false;
			continue;
		}
		double m = margin_of(f, b, nb);
		if (k == 0 || m > top) {
			top = m;
			best = x;
		}
	}
	return !worst || !d->attack || n == 0 || add_example(f, best);
}

static bool
choose_examples(struct fit *f, bool worst)
{
	f->n = 0;
	/* Random features count as harmless, so that unknown vocabulary gets no weight. */
	for (uint32_t i = 0; i < f->set->nnoise; i++)
		if (!add_example(f, (struct example){ f->set->noise + i, 1, 0, false, 1 }))
			return false;
	for (size_t i = 0; i < f->set->n; i++) {
		const struct train_doc *d = &f->set->doc[i];
		if (d->dropped || !train_is_fitted(d) || d->fold == f->without)
			continue;
		if (!add_windows(f, (uint32_t)i, worst))
			return false;
	}
	return true;
}

/* Rounds the weights to eight bits. The largest 0.5 % are clipped. */
static bool
quantize_weights(const struct fit *f, struct inject_model *m)
{
	double *size = malloc(INJECT_BUCKETS * sizeof(*size));
	size_t n = 0;

	if (!size)
		return false;
	for (size_t i = 0; i < INJECT_BUCKETS; i++)
		if (f->w[i] != 0)
			size[n++] = fabs(f->w[i]);
	qsort(size, n, sizeof(*size), train_rising);
	double top = n ? size[(n - 1) * 995 / 1000] : 1;
	free(size);
	m->scale = top > 0 ? top / 127 : 1;
	m->bias = f->bias;
	for (size_t i = 0; i < INJECT_BUCKETS; i++) {
		double v = f->w[i] / m->scale;
		v = v > 127 ? 127 : v < -127 ? -127 : v;
		m->weight[i] = (int8_t)(v < 0 ? v - 0.5 : v + 0.5);
	}
	return true;
}

bool
train_fit(const struct train_set *s, unsigned without, struct inject_model *m)
{
	struct fit f = { .set = s, .without = without };
	uint32_t seed = 2463534242u;
	bool good = false;

	f.w = calloc(INJECT_BUCKETS, sizeof(double));
	f.g = calloc(INJECT_BUCKETS, sizeof(double));
	if (!f.w || !f.g)
		goto out;
	for (int r = 0; r < ROUNDS; r++) {
		if (!choose_examples(&f, r > 0))
			goto out;
		for (int e = 0; e < EPOCHS; e++)
			train_epoch(&f, &seed);
	}
	good = quantize_weights(&f, m);
out:
	free(f.w);
	free(f.g);
	free(f.v);
	return good;
}

double
train_margin(const struct train_set *s, const struct inject_model *m, const struct train_doc *d)
{
	double top = m->bias;
	uint32_t b, nb, k;

	for (k = 0; feature_window(d, k, &b, &nb); k++) {
		int64_t sum = 0;
		for (uint32_t i = s->start[b]; i < s->start[b + nb]; i++)
			sum += m->weight[s->feature[i]];
		double v = inject_margin(m, sum, s->start[b + nb] - s->start[b]);
		if (k == 0 || v > top)
			top = v;
	}
	return inject_text_margin(top, k);
}
