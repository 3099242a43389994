/* Decides if a picture may be given to a tool. */
#ifndef EXTRACT_PICTURE_H
#define EXTRACT_PICTURE_H

#include "base/span.h"
#include "extract/extract.h"

/* Returns EXTRACT_READ; EXTRACT_UNSUPPORTED if the picture is not PNG, JPEG, GIF, WebP or TIFF;
 * or EXTRACT_TOO_LARGE if its head states more than EXTRACT_PIXELS. */
enum extract_error picture_check(struct span file);

#endif
