// Tables as a file of safetensors, byte for byte as `specialize table` writes it. For tools: it uses stdio.
#ifndef SPECIALIZE_TABLE_FILE_HPP
#define SPECIALIZE_TABLE_FILE_HPP

#include <cinttypes>
#include <cstdio>

#include "relink.hpp"

namespace specialize {
namespace table_file {

// SHA-256 (FIPS 180-4).
class Sha256 {
 public:
  void feed(const void *data, std::size_t size) noexcept {
    const auto *at = static_cast<const unsigned char *>(data);
    length_ += size;
    for (std::size_t k = 0; k < size; ++k) {
      block_[used_++] = at[k];
      if (used_ == 64) compress();
    }
  }

  void hex(char (&text)[65]) noexcept {
    const std::uint64_t bits = length_ * 8;
    const unsigned char one = 0x80, zero = 0;
    feed(&one, 1);
    while (used_ != 56) feed(&zero, 1);
    for (int k = 7; k >= 0; --k) {
      const auto byte = static_cast<unsigned char>(bits >> (8 * k));
      feed(&byte, 1);
    }
    for (int k = 0; k < 8; ++k) std::snprintf(text + 8 * k, 9, "%08" PRIx32, state_[k]);
  }

 private:
  static std::uint32_t turn(std::uint32_t x, int bits) noexcept { return x >> bits | x << (32 - bits); }

  void compress() noexcept {
    static const std::uint32_t primes[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
        0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
        0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
        0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
        0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
        0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2};
    std::uint32_t w[64], s[8];
    for (int k = 0; k < 16; ++k)
      w[k] = std::uint32_t(block_[4 * k]) << 24 | std::uint32_t(block_[4 * k + 1]) << 16 |
             std::uint32_t(block_[4 * k + 2]) << 8 | block_[4 * k + 3];
    for (int k = 16; k < 64; ++k)
      w[k] = w[k - 16] + w[k - 7] + (turn(w[k - 15], 7) ^ turn(w[k - 15], 18) ^ w[k - 15] >> 3) +
             (turn(w[k - 2], 17) ^ turn(w[k - 2], 19) ^ w[k - 2] >> 10);
    std::memcpy(s, state_, sizeof s);
    for (int k = 0; k < 64; ++k) {
      const std::uint32_t first = s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) +
                                  ((s[4] & s[5]) ^ (~s[4] & s[6])) + primes[k] + w[k];
      const std::uint32_t second =
          (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
      for (int j = 7; j > 0; --j) s[j] = s[j - 1];
      s[4] += first;
      s[0] = first + second;
    }
    for (int k = 0; k < 8; ++k) state_[k] += s[k];
    used_ = 0;
  }

  std::uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::uint64_t length_ = 0;
  unsigned char block_[64] = {};
  std::size_t used_ = 0;
};

// The canonical form that digests are taken over: a tag, a length, the bytes.
inline void feed(Sha256 *sha, char tag, std::uint64_t count) noexcept {
  sha->feed(&tag, 1);
  sha->feed(&count, sizeof count);
}

inline void feed(Sha256 *sha, char tag, const char *text, std::size_t size) noexcept {
  feed(sha, tag, size);
  sha->feed(text, size);
}

inline const char *const *type_names(std::uint32_t type) noexcept {
  static const char *const names[5][2] = {{"BOOL", "b1"}, {"I32", "i4"}, {"I64", "i8"}, {"F32", "f4"}, {"F64", "f8"}};
  return names[type];
}

inline void shape_text(const specialize_table &table, const char *comma, char (&text)[96]) noexcept {
  std::size_t at = std::size_t(std::snprintf(text, sizeof text, "["));
  for (std::uint32_t k = 0; k < table.rank; ++k)
    at += std::size_t(std::snprintf(text + at, sizeof text - at, "%s%" PRIu32, k ? comma : "", table.shape[k]));
  std::snprintf(text + at, sizeof text - at, "]");
}

inline void feed_array(Sha256 *sha, const specialize_table &table) noexcept {
  char shape[96], head[128];
  shape_text(table, ", ", shape);
  const int size = std::snprintf(head, sizeof head, "%s%s", type_names(table.type)[1], shape);
  feed(sha, 'a', head, std::size_t(size));
  const auto *data = static_cast<const unsigned char *>(table.data);
  const std::size_t width = program::width(table.type);
  const bool real = table.type == SPECIALIZE_FLOAT32 || table.type == SPECIALIZE_FLOAT64;
  for (std::size_t at = 0; at < table.bytes; at += width) {
    unsigned char element[8];
    std::memcpy(element, data + at, width);
    bool zero = real && (element[width - 1] & 0x7F) == 0;
    for (std::size_t k = 0; k + 1 < width; ++k) zero = zero && element[k] == 0;
    if (zero) element[width - 1] = 0;  // -0 is 0
    sha->feed(element, width);
  }
}

// Text that grows in the caller's memory; what does not fit is only counted.
struct Text {
  char *memory;
  std::size_t room, size;

  void add(const char *bytes, std::size_t count) noexcept {
    for (std::size_t k = 0; k < count; ++k, ++size)
      if (size < room) memory[size] = bytes[k];
  }
  void add(const char *bytes) noexcept { add(bytes, std::strlen(bytes)); }
  void quote(const char *bytes, std::size_t count) noexcept {
    add("\"");
    for (std::size_t k = 0; k < count; ++k) {
      char escaped[8] = {'\\', bytes[k], 0};
      if (static_cast<unsigned char>(bytes[k]) < 0x20)
        std::snprintf(escaped, sizeof escaped, "\\u%04x", unsigned(static_cast<unsigned char>(bytes[k])));
      if (bytes[k] == '"' || bytes[k] == '\\' || static_cast<unsigned char>(bytes[k]) < 0x20) add(escaped);
      else add(bytes + k, 1);
    }
    add("\"");
  }
};

inline void digest_text(const unsigned char *raw, char (&text)[72]) noexcept {
  std::memcpy(text, "sha256:", 7);
  for (int k = 0; k < 32; ++k) std::snprintf(text + 7 + 2 * k, 3, "%02x", unsigned(raw[k]));
}

// Writes the header into `memory` of `room` bytes and returns its size, which may be larger: then call again.
inline std::size_t header(const specialize_contract &contract, const unsigned char *today_file,
                          const specialize_relink &relink, void *tables, char *memory, std::size_t room) noexcept {
  char build[72] = {}, profile[72] = {}, content[72] = "sha256:", hex[65];
  digest_text(contract.data + 32, build);
  digest_text(today_file + 32, profile);
  const char *vehicle = reinterpret_cast<const char *>(today_file + 64);
  const char *const said[][2] = {{"build_digest", build}, {"content_digest", content}, {"profile_digest", profile},
                                 {"schema", "specialize/table@1"}, {"vehicle", vehicle}};
  Sha256 sha;
  specialize_table table;
  feed(&sha, 'l', 2);
  feed(&sha, 'm', relink.tables);
  for (std::uint32_t k = 0; k < relink.tables; ++k) {
    read_table(relink, tables, k, &table);
    feed(&sha, 's', table.name, table.name_bytes);
    feed_array(&sha, table);
  }
  feed(&sha, 'm', 4);
  for (const auto &pair : said) {
    if (pair[1] == content) continue;
    feed(&sha, 's', pair[0], std::strlen(pair[0]));
    feed(&sha, 's', pair[1], std::strlen(pair[1]));
  }
  sha.hex(hex);
  std::memcpy(content + 7, hex, 64);
  Text text = {memory, room, 0};
  text.add("{\"__metadata__\":{");
  for (std::size_t k = 0; k < 5; ++k) {
    text.add(k ? "," : "");
    text.quote(said[k][0], std::strlen(said[k][0]));
    text.add(":");
    text.quote(said[k][1], std::strlen(said[k][1]));
  }
  text.add("}");
  std::size_t offset = 0;
  for (std::uint32_t k = 0; k < relink.tables; ++k) {
    read_table(relink, tables, k, &table);
    char shape[96], entry[256];
    shape_text(table, ",", shape);
    std::snprintf(entry, sizeof entry, ":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                  type_names(table.type)[0], shape, offset, offset + table.bytes);
    text.add(",");
    text.quote(table.name, table.name_bytes);
    text.add(entry);
    offset += table.bytes;
  }
  text.add("}");
  while (text.size % 8 != 0) text.add(" ");
  return text.size;
}

// Writes a whole file; false if the stream does not take it.
inline bool write(std::FILE *stream, const specialize_relink &relink, void *tables, const char *head, std::size_t size) noexcept {
  const std::uint64_t length = size;
  bool fine = std::fwrite(&length, 8, 1, stream) == 1 && std::fwrite(head, 1, size, stream) == size;
  for (std::uint32_t k = 0; fine && k < relink.tables; ++k) {
    specialize_table table;
    read_table(relink, tables, k, &table);
    fine = std::fwrite(table.data, 1, table.bytes, stream) == table.bytes;
  }
  return fine;
}

}  // namespace table_file
}  // namespace specialize

#endif
