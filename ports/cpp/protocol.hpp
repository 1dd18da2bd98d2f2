// Requests and replies as text (SPEC, sections 11 and 13).
#pragma once

#include <charconv>
#include <iterator>

#include "microgpt.hpp"

constexpr std::size_t line_limit = 65536;

using Words = std::vector<std::string_view>;

inline Words split(std::string_view line) {
    if (line.size() > line_limit) throw Problem{"expected lines of up to 65536 bytes"};
    if (line.empty()) return {line};
    const auto view = [](auto&& word) { return std::string_view{word}; };
    return line | std::views::split(' ') | std::views::transform(view) | std::ranges::to<Words>();
}

inline bool is_digit(char c) { return '0' <= c && c <= '9'; }

inline std::size_t integer(std::string_view word, std::size_t low, std::size_t high) {
    const bool canonical =
        !word.empty() && word.size() <= 10 && std::ranges::all_of(word, is_digit) && (word[0] != '0' || word == "0");
    std::size_t value = 0;
    if (canonical) std::from_chars(word.begin(), word.end(), value);
    if (!canonical || value < low || value > high)
        throw Problem{std::format("expected an integer from {} to {}", low, high)};
    return value;
}

inline double number(std::string_view word) {
    const auto is_hex = [](char c) { return is_digit(c) || ('a' <= c && c <= 'f'); };
    if (word.size() != 16 || !std::ranges::all_of(word, is_hex))
        throw Problem{"expected a double of 16 lower-case hex digits"};
    std::uint64_t pattern = 0;
    std::from_chars(word.begin(), word.end(), pattern, 16);
    const double x = std::bit_cast<double>(pattern);
    return std::isnan(x) ? std::numeric_limits<double>::quiet_NaN() : x;
}

inline std::vector<double> numbers(std::span<const std::string_view> words) {
    return words | std::views::transform(number) | std::ranges::to<std::vector>();
}

// A cursor over the lines of a request.
class Request {
public:
    explicit Request(std::span<const std::string> rest) : lines{rest} {}

    bool at_end() const { return lines.empty(); }
    std::size_t size() const { return lines.size(); }

    Words next() {
        if (lines.empty()) throw Problem{"expected more lines"};
        const std::string_view line = lines.front();
        lines = lines.subspan(1);
        return split(line);
    }

    bool has(std::string_view key) const { return !lines.empty() && split(lines.front()).front() == key; }

    // The values of the next line, which must have this key.
    Words take(std::string_view key) {
        if (!has(key)) throw Problem{std::format("expected a line {}", key)};
        Words words = next();
        words.erase(words.begin());
        return words;
    }

    Words take(std::string_view key, std::size_t count) {
        Words words = take(key);
        if (words.size() != count) throw Problem{std::format("expected {} values of {}", count, key)};
        return words;
    }

    std::string_view word(std::string_view key) { return take(key, 1).front(); }
    double number(std::string_view key) { return ::number(word(key)); }
    std::size_t integer(std::string_view key, std::size_t low, std::size_t high) {
        return ::integer(word(key), low, high);
    }

    // Whether the value is the second of two words.
    bool either(std::string_view key, std::string_view first, std::string_view second) {
        const std::string_view value = word(key);
        if (value != first && value != second) throw Problem{std::format("expected {} or {}", first, second)};
        return value == second;
    }

    void math() {
        if (either("math", "exact", "native")) throw Problem{"unsupported"};
    }

    std::vector<double> tensor(const MatrixShape& shape) {
        const Words words = take("tensor", 3);
        if (words[0] != shape.name || words[1] != std::to_string(shape.rows) ||
            words[2] != std::to_string(shape.columns))
            throw Problem{std::format("expected the tensor {} {} {}", shape.name, shape.rows, shape.columns)};
        std::vector<double> result;
        for (std::size_t row = 0; row < shape.rows; row++)
            std::ranges::copy(numbers(take("row", shape.columns)), std::back_inserter(result));
        return result;
    }

    std::vector<double> tensors(std::string_view prefix, const Shape& shape) {
        std::vector<double> result;
        for (const auto& [name, rows, columns] : shape.matrices())
            std::ranges::copy(tensor({std::string{prefix} + name, rows, columns}), std::back_inserter(result));
        return result;
    }

    void finish() const {
        if (!lines.empty()) throw Problem{"expected the line end"};
    }

private:
    std::span<const std::string> lines;
};

// As written: all NaNs are one.
inline std::uint64_t bits(double x) {
    return std::bit_cast<std::uint64_t>(std::isnan(x) ? std::numeric_limits<double>::quiet_NaN() : x);
}

class Reply {
public:
    std::string text;

    template <class... Values>
    void line(std::string_view key, const Values&... values) {
        text += key;
        (append(values), ...);
        text += '\n';
    }

    void tensor(const MatrixShape& shape, std::span<const double> values) {
        line("tensor", std::string_view{shape.name}, shape.rows, shape.columns);
        for (const auto row : values | std::views::chunk(static_cast<std::ptrdiff_t>(shape.columns))) line("row", row);
    }

    void tensors(std::string_view prefix, const Shape& shape, std::span<const double> values) {
        for (const auto& [name, rows, columns] : shape.matrices()) {
            tensor({std::string{prefix} + name, rows, columns}, values.first(rows * columns));
            values = values.subspan(rows * columns);
        }
    }

    void checksum(std::string_view key, std::span<const double> values) {
        constexpr std::uint64_t modulus = 4294967291;
        std::uint64_t a = 1, b = 0;
        for (const double x : values)
            for (const std::uint64_t half : {bits(x) >> 32, bits(x) & 0xffffffff}) {
                a = (a + half) % modulus;
                b = (b + a) % modulus;
            }
        std::format_to(std::back_inserter(text), "{} {:08x} {:08x}\n", key, a, b);
    }

private:
    void append(double x) {
        constexpr std::string_view digits = "0123456789abcdef";
        text += ' ';
        for (int shift = 60; shift >= 0; shift -= 4) text += digits[bits(x) >> shift & 15];
    }
    void append(std::integral auto value) { (text += ' ') += std::to_string(value); }
    void append(char32_t character) { append(static_cast<std::uint32_t>(character)); }
    void append(std::string_view word) { (text += ' ') += word; }
    template <std::ranges::range Values>
    void append(const Values& values) {
        for (const auto& value : values) append(value);
    }
};
