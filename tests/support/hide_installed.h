/* Makes the tests that include this header independent of whether tollgate is installed on this
 * machine. */
#ifndef TESTS_HIDE_INSTALLED_H
#define TESTS_HIDE_INSTALLED_H

#include "policy/config/config.h"

__attribute__((constructor)) static void
hide_installed_config(void)
{
	config_installed = "/nonexistent/tollgate.yaml";
}

#endif
