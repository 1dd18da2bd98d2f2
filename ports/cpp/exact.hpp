// Correctly rounded exp, log, sin, cos and pow (SPEC, sections 2 and 15), in fixed point with 192 places. Results are
// off by less than 2^17 units of the last place. No true value is known to come that near to the middle of two doubles,
// unless it is one, as only a power can be.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <ranges>
#include <span>

namespace exact {

using Word = std::uint64_t;
__extension__ using Wide = unsigned __int128;

// Two's complement, the top word first; the point follows it. Products and quotients are cut off at the last place.
class Fixed {
public:
    std::array<Word, 4> words{};

    Fixed() = default;
    constexpr explicit Fixed(std::array<Word, 4> pattern) : words{pattern} {}

    // For |x| < 2^63; what lies below the last place is lost.
    explicit Fixed(double x) {
        int exponent = 0;
        const auto significand = static_cast<Word>(std::ldexp(std::frexp(std::abs(x), &exponent), 53));
        const int shift = exponent + 192 - 53;
        if (shift < 0) return;
        const Wide placed = Wide{significand} << shift % 64;
        const auto last = static_cast<std::size_t>(3 - shift / 64);
        words[last] = static_cast<Word>(placed);
        if (last > 0) words[last - 1] = static_cast<Word>(placed >> 64);
        if (x < 0) *this = -*this;
    }

    bool negative() const { return words[0] >> 63 == 1; }
    Fixed magnitude() const { return negative() ? -*this : *this; }

    Fixed operator-() const {
        Fixed flipped;
        std::ranges::transform(words, flipped.words.begin(), std::bit_not{});
        return flipped + Fixed{{0, 0, 0, 1}};
    }

    friend Fixed operator+(const Fixed& a, const Fixed& b) {
        Fixed sum;
        Wide carry = 0;
        for (std::size_t i = 4; i-- > 0; carry >>= 64) {
            carry += Wide{a.words[i]} + b.words[i];
            sum.words[i] = static_cast<Word>(carry);
        }
        return sum;
    }

    friend Fixed operator*(const Fixed& a, const Fixed& b) {
        const Fixed x = a.magnitude(), y = b.magnitude();
        std::array<Word, 8> product{};
        for (std::size_t i = 4; i-- > 0;) {
            Wide carry = 0;
            for (std::size_t j = 4; j-- > 0; carry >>= 64) {
                carry += Wide{x.words[i]} * y.words[j] + product[i + j + 1];
                product[i + j + 1] = static_cast<Word>(carry);
            }
            product[i] = static_cast<Word>(carry);
        }
        const Fixed result{{product[1], product[2], product[3], product[4]}};
        return a.negative() != b.negative() ? -result : result;
    }

    friend Fixed operator/(const Fixed& dividend, Word divisor) {  // for a dividend >= 0
        Fixed quotient;
        Wide rest = 0;
        for (std::size_t i = 0; i < 4; i++) {
            rest = rest << 64 | dividend.words[i];
            quotient.words[i] = static_cast<Word>(rest / divisor);
            rest %= divisor;
        }
        return quotient;
    }
};

inline constexpr Fixed ln2{{0, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af, 0x40f343267298b62d}};
inline constexpr Fixed half_pi{{1, 0x921fb54442d18469, 0x898cc51701b839a2, 0x52049c1114cf98e8}};

// The first coefficient + the second * x + the third * x^2 ...
inline Fixed series(const Fixed& x, std::ranges::bidirectional_range auto&& coefficients) {
    Fixed sum;
    for (const Fixed& coefficient : coefficients | std::views::reverse) sum = sum * x + coefficient;
    return sum;
}

inline const std::array inverse_factorials = [] {
    std::array<Fixed, 48> terms{Fixed{1.0}};
    for (std::size_t k = 1; k < terms.size(); k++) terms[k] = terms[k - 1] / k;
    return terms;
}();

inline const std::array roots_of_two = [] {  // 2^(j/256)
    std::array<Fixed, 256> roots;
    for (std::size_t j = 0; j < roots.size(); j++)
        roots[j] = series(ln2 * Fixed{static_cast<double>(j) / 256}, inverse_factorials);
    return roots;
}();

struct Scaled {
    Fixed number;
    int exponent = 0;  // of the power of two that it is multiplied by
};

// The double nearest to it, rounded once, even if that is subnormal.
inline double nearest(const Scaled& scaled) {
    auto words = (scaled.number.magnitude() + Fixed{{0, 0, 0, Word{1} << 17}}).words;
    words[3] = words[3] >> 18 << 18;
    const auto top = std::ranges::find_if(words, [](Word word) { return word != 0; });
    if (top == words.end()) return 0;
    const auto place = static_cast<int>(top - words.begin());
    const int zeros = std::countl_zero(*top);
    const Wide leading = (Wide{*top} << 64 | (place < 3 ? top[1] : 0)) << zeros;
    const bool more = std::any_of(top + std::min(2, 4 - place), words.end(), [](Word word) { return word != 0; });

    // The size is from 2^height to 2^(height + 1). A subnormal number loses more bits.
    const int height = std::clamp(scaled.exponent + 63 - 64 * place - zeros, -1100, 1024);
    const int cut = 1 + std::clamp(-1022 - height, 0, 60);
    const Wide kept = leading >> cut;
    const Wide bits = kept | Wide{more || kept << cut != leading};
    const auto rounded = static_cast<Word>((bits + (Wide{1} << 73) - 1 + (bits >> 74 & 1)) >> 74);
    // The first bit of a normal number adds one to the exponent, and so does a carry.
    const Word pattern = (static_cast<Word>(std::max(height, -1022) + 1022) << 52) + rounded;
    const double size = std::bit_cast<double>(std::min(pattern, Word{0x7ff} << 52));
    return scaled.number.negative() ? -size : size;
}

// e^x = 2^(k/256) e^r with 0 <= r < 1/256.
inline Scaled power_of_e(const Fixed& x) {
    const double k = std::floor(nearest({x}) * (256 / std::numbers::ln2));
    const Fixed r = x + ln2 * Fixed{-k / 256};
    const auto count = static_cast<int>(k);
    const auto& root = roots_of_two[static_cast<std::size_t>(count & 255)];
    return {root * series(r, std::span{inverse_factorials}.first<18>()), count >> 8};
}

// For 0 < x < infinity: y + log(1 + d) with the library's logarithm y and d = x e^-y - 1, which is below 2^-40.
inline Fixed natural_logarithm(double x) {
    static const std::array coefficients{Fixed{1.0}, -(Fixed{1.0} / 2), Fixed{1.0} / 3, -(Fixed{1.0} / 4)};
    const double y = std::log(x);
    const Scaled power = power_of_e(Fixed{-y});
    const Fixed d = Fixed{std::ldexp(x, power.exponent)} * power.number + Fixed{-1.0};
    return Fixed{y} + d * series(d, coefficients);
}

// sin(x + quarters * pi/2) for |x| <= 8.
inline double wave(double x, int quarters) {
    const double k = std::round(x / (std::numbers::pi / 2));
    const Fixed r = Fixed{x} + half_pi * Fixed{-k};
    const int quadrant = static_cast<int>(k) + quarters;
    const bool sine = quadrant % 2 == 0;
    const auto coefficients = inverse_factorials | std::views::drop(sine ? 1 : 0);
    std::array<Fixed, 23> every_other;
    for (std::size_t i = 0; i < every_other.size(); i++) every_other[i] = coefficients[2 * i];
    const Fixed even = series(-(r * r), every_other);
    const Fixed value = sine ? r * even : even;
    return nearest({(quadrant & 2) == 0 ? value : -value});
}

inline double exp(double x) {
    if (std::isnan(x)) return x;
    return std::abs(x) < 0x1p-54 ? 1 : nearest(power_of_e(Fixed{std::clamp(x, -800.0, 800.0)}));
}

inline double log(double x) {
    return x > 0 && std::isfinite(x) ? nearest({natural_logarithm(x)}) : std::log(x);  // IEEE 754 fixes the others
}

inline double sin(double x) { return std::abs(x) > 0x1p-26 ? wave(x, 0) : x; }

inline double cos(double x) { return std::isnan(x) ? x : wave(x, 1); }

inline double square_root(double x) { return x == -std::numeric_limits<double>::infinity() ? -x : std::sqrt(x + 0.0); }

// For an integer or half-integer y with |y| <= 4097. What is rounded only once anyway is done at once.
inline double pow(double x, double y) {
    if (y == -1) return 1 / x;
    if (y == 0.5) return square_root(x);
    if (y == 1) return x;
    if (y == 2) return x * x;
    if (x == 0 || y == 0 || !std::isfinite(x)) return std::pow(x, y);  // IEEE 754 fixes these
    if (x > 0) return nearest(power_of_e(natural_logarithm(x) * Fixed{y}));
    if (y != std::floor(y)) return std::numeric_limits<double>::quiet_NaN();
    return std::fmod(y, 2) == 0 ? pow(-x, y) : -pow(-x, y);
}

}  // namespace exact
