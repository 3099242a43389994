/* Whether tollgate is installed on this machine makes no difference to the tests that
 * include this. */
#ifndef TESTS_HIDE_INSTALLED_H
#define TESTS_HIDE_INSTALLED_H

#include "policy/config/config.h"

__attribute__((constructor)) static void
hide_installed_config(void)
{
	config_installed = "/nonexistent/tollgate.yaml";
}

#endif
