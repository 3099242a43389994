/* Draws a picture with small letters larger, because Tesseract misreads letters of the size
 * that editors and terminals use. */
#ifndef EXTRACT_ENLARGE_H
#define EXTRACT_ENLARGE_H

#include "base/buf.h"
#include "base/span.h"

/* Appends the picture to `out` as a PGM: gray, dark letters on light ground, two or three times
 * as large. Returns false, and appends nothing, if the letters are not small, if the result
 * would have more than ENLARGED_PIXELS, if the picture cannot be decoded, or if leptonica is
 * not installed. Call it in a process of its own, because it decodes a hostile file. */
enum { ENLARGED_PIXELS = 24000000 };
bool enlarge_picture(struct span file, struct buf *out);

#endif
