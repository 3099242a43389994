/* Whether a picture may be given to a tool. */
#ifndef EXTRACT_PICTURE_H
#define EXTRACT_PICTURE_H

#include "base/span.h"
#include "extract/extract.h"

/* By its first bytes: EXTRACT_READ; EXTRACT_UNSUPPORTED: no PNG, JPEG, GIF, WebP or TIFF;
 * EXTRACT_TOO_LARGE: its head says more than EXTRACT_PIXELS. */
enum extract_error picture_check(struct span file);

#endif
