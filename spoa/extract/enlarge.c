/* Enlarges a picture with leptonica, the library that decodes pictures for Tesseract. The
 * library is opened when it is needed: it is installed wherever Tesseract is, and the rest of
 * the program runs without it. The prototypes are those of leptonica 1.82 (Debian 12) and 1.84
 * (Debian 13).
 *
 * The height of the letters is the median height of the connected shapes, after a threshold
 * between ground and letters. */
#include "extract/enlarge.h"

#include <dlfcn.h>

struct Pix;
struct Boxa;

/* The functions of leptonica that are used, in the form X(result, name, (arguments)). */
#define LEPTONICA(X)                                                                           \
	X(struct Pix *, pixReadMem, (const uint8_t *data, size_t n))                           \
	X(struct Pix *, pixConvertTo8, (struct Pix * p, int colormap))                         \
	X(int, pixGetWidth, (struct Pix * p))                                                  \
	X(int, pixGetHeight, (struct Pix * p))                                                 \
	X(int, pixGetAverageMasked,                                                            \
		(struct Pix * p, struct Pix * mask, int x, int y, int factor, int type,        \
			float *average))                                                       \
	X(struct Pix *, pixInvert, (struct Pix * to, struct Pix * p))                          \
	X(int, pixSplitDistributionFgBg,                                                       \
		(struct Pix * p, float fraction, int factor, int *threshold, int *letters,     \
			int *ground, struct Pix **plot))                                       \
	X(struct Pix *, pixThresholdToBinary, (struct Pix * p, int threshold))                 \
	X(struct Boxa *, pixConnCompBB, (struct Pix * p, int neighbors))                       \
	X(int, boxaGetCount, (struct Boxa * b))                                                \
	X(int, boxaGetBoxGeometry, (struct Boxa * b, int i, int *x, int *y, int *w, int *h))   \
	X(struct Pix *, pixScale, (struct Pix * p, float x, float y))                          \
	X(int, pixWriteMemPnm, (uint8_t * *data, size_t * n, struct Pix * p))

static struct {
#define X(result, name, arguments) result(*name) arguments;
	LEPTONICA(X)
#undef X
} lept;

static bool
open_leptonica(void)
{
	static const char *const names[] = { "libleptonica.so.6", "liblept.so.5" };
	void *lib = NULL;

	for (size_t i = 0; i < COUNT_OF(names) && !lib; i++)
		lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return false;
#define X(result, name, arguments)                                                             \
	if (!(*(void **)&lept.name = dlsym(lib, #name)))                                       \
		return false;
	LEPTONICA(X)
#undef X
	return true;
}

/* Returns the median height in pixels of shapes that may be letters, or 0 if there are few. */
static int
letter_height(struct Pix *gray)
{
	enum { LOWEST = 4, HIGHEST = 64, FEW = 12 };
	unsigned by_height[HIGHEST + 1] = { 0 };
	unsigned n = 0, below = 0;
	int threshold, letters, ground;

	if (lept.pixSplitDistributionFgBg(gray, 0.5f, 1, &threshold, &letters, &ground, NULL))
		return 0;
	struct Pix *binary = lept.pixThresholdToBinary(gray, threshold);
	struct Boxa *boxes = binary ? lept.pixConnCompBB(binary, 8) : NULL;
	for (int i = 0; boxes && i < lept.boxaGetCount(boxes); i++) {
		int x, y, w, h;
		if (lept.boxaGetBoxGeometry(boxes, i, &x, &y, &w, &h) || h < LOWEST ||
			h > HIGHEST || w > 3 * h)
			continue;
		by_height[h]++;
		n++;
	}
	for (int h = LOWEST; n >= FEW && h <= HIGHEST; h++) {
		below += by_height[h];
		if (2 * below >= n)
			return h;
	}
	return 0;
}

/* Returns by how much a picture with letters of this height is enlarged. Tesseract scales each
 * line to 36 pixels; it reads capitals of 20 to 30 pixels best. */
static int
factor_of(int height, uint64_t pixels)
{
	enum { SMALL = 12 };
	int factor = height && height <= SMALL ? 3 : 1;

	while (factor > 1 && pixels * (uint64_t)(factor * factor) > ENLARGED_PIXELS)
		factor--;
	return factor;
}

bool
enlarge_picture(struct span file, struct buf *out)
{
	float average;
	uint8_t *pgm = NULL;
	size_t n = 0;

	if (!file.n || !open_leptonica())
		return false;
	struct Pix *p = lept.pixReadMem((const uint8_t *)file.p, file.n);
	struct Pix *gray = p ? lept.pixConvertTo8(p, 0) : NULL;
	if (!gray || lept.pixGetAverageMasked(gray, NULL, 0, 0, 1, 1, &average))
		return false;
	if (average < 128)
		lept.pixInvert(gray, gray);
	int factor = factor_of(letter_height(gray),
		(uint64_t)lept.pixGetWidth(gray) * (uint64_t)lept.pixGetHeight(gray));
	struct Pix *larger =
		factor > 1 ? lept.pixScale(gray, (float)factor, (float)factor) : NULL;
	if (!larger || lept.pixWriteMemPnm(&pgm, &n, larger))
		return false;
	buf_put(out, pgm, n);
	return !buf_failed(out);
}
