/* A nested Avro record of thirty fields and a value of it, for the test and the bench. */
#ifndef NK_SERDE_SAMPLE_H
#define NK_SERDE_SAMPLE_H

#include "serde/nikawa_serde.h"

#define SAMPLE_ID "b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63"
/* 24 fields here, 6 in address: 8 texts, 6 longs, 4 ints, 3 doubles, 2 booleans, 2 optional, an
 * enum, an array, a map, a fixed, a decimal and a timestamp. */
static const char sample_schema[] =
    "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":["
    "{\"name\":\"id\",\"type\":\"long\"},{\"name\":\"customer\",\"type\":\"string\"},"
    "{\"name\":\"email\",\"type\":[\"null\",\"string\"],\"default\":null},"
    "{\"name\":\"total\",\"type\":\"double\"},{\"name\":\"items\",\"type\":\"int\"},"
    "{\"name\":\"paid\",\"type\":\"boolean\"},{\"name\":\"status\",\"type\":{\"type\":\"enum\","
    "\"name\":"
    "\"Status\",\"symbols\":[\"NEW\",\"SENT\",\"DONE\"]}},"
    "{\"name\":\"address\",\"type\":{\"type\":\"record\",\"name\":\"Address\",\"fields\":["
    "{\"name\":\"street\",\"type\":\"string\"},{\"name\":\"city\",\"type\":\"string\"},{\"name\":"
    "\"zip\","
    "\"type\":\"string\"},{\"name\":\"country\",\"type\":\"string\"},{\"name\":\"lat\",\"type\":"
    "\"double\"},"
    "{\"name\":\"lon\",\"type\":\"double\"}]}},"
    "{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":\"string\"}},"
    "{\"name\":\"extra\",\"type\":{\"type\":\"map\",\"values\":\"long\"}},"
    "{\"name\":\"key\",\"type\":{\"type\":\"fixed\",\"name\":\"Key\",\"size\":8}},"
    "{\"name\":\"price\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,"
    "\"scale\":2}},{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-"
    "micros\"}},"
    "{\"name\":\"n1\",\"type\":\"long\"},{\"name\":\"n2\",\"type\":\"long\"},{\"name\":\"n3\","
    "\"type\":"
    "\"long\"},{\"name\":\"n4\",\"type\":\"int\"},{\"name\":\"n5\",\"type\":\"int\"},{\"name\":"
    "\"n6\","
    "\"type\":\"int\"},{\"name\":\"note\",\"type\":\"string\"},{\"name\":\"ref\",\"type\":["
    "\"null\","
    "\"long\"]},{\"name\":\"gift\",\"type\":\"boolean\"},{\"name\":\"channel\",\"type\":\"string\"}"
    ","
    "{\"name\":\"seq\",\"type\":\"long\"}]}";

#define TEXT(lit)                                                                                  \
    {                                                                                              \
        .kind = NK_AVRO_STRING, .branch = -1, .u.s = { lit, sizeof(lit) - 1 }                      \
    }
#define WHOLE(k, v)                                                                                \
    {                                                                                              \
        .kind = k, .branch = -1, .u.i = v                                                          \
    }
#define REAL(v)                                                                                    \
    {                                                                                              \
        .kind = NK_AVRO_DOUBLE, .branch = -1, .u.d = v                                             \
    }
#define TRUTH(v)                                                                                   \
    {                                                                                              \
        .kind = NK_AVRO_BOOLEAN, .branch = -1, .u.b = v                                            \
    }
#define LIST(k, items, names, count)                                                               \
    {                                                                                              \
        .kind = k, .branch = -1, .u.list = { items, count, names }                                 \
    }
static nk_avro_value sample_address[] = {TEXT("1 High Street"), TEXT("Springfield"),
                                         TEXT("01101"),         TEXT("US"),
                                         REAL(42.1015),         REAL(-72.5898)};
static nk_avro_value sample_tags[] = {TEXT("new"), TEXT("web")};
static nk_avro_value sample_extra[] = {WHOLE(NK_AVRO_LONG, 7)};
static nk_avro_text sample_keys[] = {{"points", 6}};
static nk_avro_value sample_fields[] = {
    WHOLE(NK_AVRO_LONG, 123456789012),
    TEXT("Ada Lovelace"),
    TEXT("ada@example.com"),
    REAL(1234.5),
    WHOLE(NK_AVRO_INT, 3),
    TRUTH(true),
    WHOLE(NK_AVRO_ENUM, 1),
    LIST(NK_AVRO_RECORD, sample_address, NULL, 6),
    LIST(NK_AVRO_ARRAY, sample_tags, NULL, 2),
    LIST(NK_AVRO_MAP, sample_extra, sample_keys, 1),
    {.kind = NK_AVRO_FIXED, .branch = -1, .u.s = {"12345678", 8}},
    {.kind = NK_AVRO_BYTES, .branch = -1, .u.s = {"\x30\x39", 2}},
    WHOLE(NK_AVRO_LONG, 1700000000000000),
    WHOLE(NK_AVRO_LONG, -1),
    WHOLE(NK_AVRO_LONG, 64),
    WHOLE(NK_AVRO_LONG, 1LL << 40),
    WHOLE(NK_AVRO_INT, -65),
    WHOLE(NK_AVRO_INT, 0),
    WHOLE(NK_AVRO_INT, 2147483647),
    TEXT("leave at the door"),
    {.kind = NK_AVRO_NULL, .branch = -1},
    TRUTH(false),
    TEXT("web"),
    WHOLE(NK_AVRO_LONG, 99),
};
static nk_avro_value sample_value = LIST(NK_AVRO_RECORD, sample_fields, NULL, 24);

#endif
