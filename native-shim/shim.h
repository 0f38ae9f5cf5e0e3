/*
 * What the functions of the shim are written with: their arguments out of
 * JavaScript, their result back. Included by shim.c and shim-fuse.c, which
 * define _GNU_SOURCE before it.
 */
#ifndef DENDRO_SHIM_H
#define DENDRO_SHIM_H

#define NAPI_VERSION 8
#include <errno.h>
#include <limits.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A head and the most parts that a reply of 1 MiB has. */
#define MAX_PARTS 132
#define MAX_ARGS (3 + 3 * MAX_PARTS)

typedef struct {
  napi_env env;
  napi_value argv[MAX_ARGS];
  size_t argc;
  bool failed;
} args_t;

static inline args_t get_args(napi_env env, napi_callback_info info) {
  args_t a = {.env = env, .argc = MAX_ARGS, .failed = false};
  if (napi_get_cb_info(env, info, &a.argc, a.argv, NULL, NULL) != napi_ok)
    a.failed = true;
  return a;
}

static inline void bad_argument(args_t *a, const char *what) {
  if (!a->failed) napi_throw_type_error(a->env, NULL, what);
  a->failed = true;
}

static inline double get_number(args_t *a, size_t i) {
  double value = 0;
  if (i >= a->argc || napi_get_value_double(a->env, a->argv[i], &value) != napi_ok)
    bad_argument(a, "expected a number");
  return value;
}

/* Bytes of any typed array; valid while the call lasts. */
static inline void *get_bytes(args_t *a, size_t i, size_t *length) {
  void *data = NULL;
  napi_typedarray_type type;
  size_t count = 0;
  static const size_t width[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  if (i >= a->argc ||
      napi_get_typedarray_info(a->env, a->argv[i], &type, &count, &data, NULL,
                               NULL) != napi_ok) {
    bad_argument(a, "expected a typed array");
    *length = 0;
    return NULL;
  }
  *length = count * width[type];
  return data;
}

/* Copies a byte path or string and ends it with NUL; false when too long. */
static inline bool get_path(args_t *a, size_t i, char *out, size_t size) {
  size_t length;
  const void *data = get_bytes(a, i, &length);
  if (a->failed || length >= size) return false;
  if (length > 0) memcpy(out, data, length);
  out[length] = 0;
  return true;
}

static inline napi_value number(napi_env env, double value) {
  napi_value result;
  return napi_create_double(env, value, &result) == napi_ok ? result : NULL;
}

static inline napi_value result_of(napi_env env, long result) {
  return number(env, result < 0 ? -errno : result);
}

#define FUNCTION(name) napi_value name(napi_env env, napi_callback_info info)
#define PATH(variable, index)                                 \
  char variable[PATH_MAX];                                    \
  if (!get_path(&a, index, variable, sizeof variable))        \
    return a.failed ? NULL : number(env, -ENAMETOOLONG)

/* shim-fuse.c */
FUNCTION(shim_receive_fd);
FUNCTION(shim_set_non_blocking);
FUNCTION(shim_fuse_receive);
FUNCTION(shim_write_parts);

#endif
