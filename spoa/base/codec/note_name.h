/* The name of a log or of who signs its checkpoints (C2SP signed-note v1.0.0, "Format"). */
#ifndef BASE_CODEC_NOTE_NAME_H
#define BASE_CODEC_NOTE_NAME_H

#include <stdbool.h>

#include "base/span.h"

#define NOTE_NAME_MAX 255

/* No blank, no plus, valid UTF-8, not empty, NOTE_NAME_MAX bytes at most. */
bool note_name_valid(struct span name);

#endif
