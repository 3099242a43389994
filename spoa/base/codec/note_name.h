/* The name of a log, or of a key that signs its checkpoints (C2SP signed-note v1.0.0,
 * "Format"). */
#ifndef BASE_CODEC_NOTE_NAME_H
#define BASE_CODEC_NOTE_NAME_H

#include <stdbool.h>

#include "base/span.h"

#define NOTE_NAME_MAX 255

/* Returns true for 1 to NOTE_NAME_MAX bytes of valid UTF-8 without white space and without a
 * plus sign. */
bool note_name_valid(struct span name);

#endif
