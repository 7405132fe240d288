/* What DropNullFields takes for null beside null. */
#include <stdio.h>

#include "plan/visual.h"

static nk_code add_text(nk_strs *list, nk_arena *a, nk_str text, nk_err *err)
{
    nk_str *slot = nk_strs_add(list, a);
    if (!slot)
        return nk_fail(err, NK_E_NOMEM, "out of memory");
    *slot = text;
    return NK_OK;
}

static nk_code add_null_value(nk_visual_nulls *out, nk_arena *a, const nk_json *entry, nk_err *err)
{
    static const char *const numeric[] = {"byte",  "tinyint", "short",  "smallint",
                                          "int",   "integer", "long",   "bigint",
                                          "float", "double",  "decimal"};
    nk_str type = nk_json_str(nk_json_get(entry, "Datatype"), "Id");
    nk_str value = nk_str_trim(nk_json_str(entry, "Value"));
    double number;
    char text[40];
    if (!type.n || nk_str_ieq(type, NK_STR("string")))
        return add_text(&out->texts, a, value, err);
    for (size_t i = 0; i < NK_COUNTOF(numeric); i++) {
        if (!nk_str_ieq(type, nk_str_c(numeric[i])))
            continue;
        if (!nk_str_f64(value, &number) || number - number != 0)
            return nk_fail(err, NK_E_INVALID, "NullTextList: \"%.*s\" is no number.",
                           NK_STR_ARG(value));
        snprintf(text, sizeof text, "%.17g", number);
        return add_text(&out->numbers, a, nk_str_dup(a, nk_str_c(text)), err);
    }
    return nk_fail(
        err, NK_E_INVALID,
        "NullTextList: a value of type %.*s cannot stand for null; string and number types "
        "can.",
        NK_STR_ARG(type));
}

nk_code nk_visual_nulls_read(const nk_json *body, nk_arena *a, nk_visual_nulls *out, nk_err *err)
{
    const nk_json *boxes = nk_json_get(body, "NullCheckBoxList");
    const nk_json *list = nk_json_get(body, "NullTextList");
    *out = (nk_visual_nulls){0};
    if (nk_json_bool(boxes, "IsEmpty", false))
        NK_TRY(add_text(&out->texts, a, NK_STR(""), err));
    if (nk_json_bool(boxes, "IsNullString", false))
        NK_TRY(add_text(&out->texts, a, NK_STR("null"), err));
    if (nk_json_bool(boxes, "IsNegOne", false))
        NK_TRY(add_text(&out->numbers, a, NK_STR("-1"), err));
    for (const nk_json *j = list ? list->first : NULL; j; j = j->next)
        NK_TRY(add_null_value(out, a, j, err));
    return NK_OK;
}
