/* The shipped injection model, loaded for a test. Includes no cmocka header, because the test
 * does. */
#ifndef SUPPORT_INJECT_FIX_H
#define SUPPORT_INJECT_FIX_H

#include "scan/inject/inject_model.h"

extern const struct inject *inject;

/* For cmocka: loads the model into `inject`. */
int inject_setup(void **state);

/* For cmocka: frees the model. */
int inject_teardown(void **state);

#endif
