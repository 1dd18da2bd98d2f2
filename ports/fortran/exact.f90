!> exp, log, sin, cos and pow in fixed point: the double nearest to the true value (reference/EXACT.md).
!>
!> A number in fixed point is an array: a signed integer and then limbs of 28 bits after the point, all of them >= 0. The
!> length of the array is the precision. `few` limbs decide nearly every call, `most` every one that anybody has found.
module exact
  use, intrinsic :: iso_fortran_env, only: int64, real64
  use, intrinsic :: ieee_arithmetic
  implicit none
  private
  public :: bits_of, double_of, exact_exp, exact_log, exact_sin, exact_cos, exact_pow, fixed, carried, nan, infinity

  integer, parameter :: bits = 28, few = 5, most = 9, terms = 64, halvings = 8
  integer(int64), parameter :: mask = 2_int64**bits - 1, one = 1
  real(real64), parameter :: base = 2.0_real64**bits
  integer(int64), parameter :: ln2(0:most) = [integer(int64) :: 0, int(z'b17217f'), int(z'7d1cf79'), int(z'abc9e3b'), &
    int(z'39803f2'), int(z'f6af40f'), int(z'3432672'), int(z'98b62d8'), int(z'a0d175b'), int(z'8baafa2')]
  integer(int64), parameter :: half_pi(0:most) = [integer(int64) :: 1, int(z'921fb54'), int(z'442d184'), &
    int(z'69898cc'), int(z'51701b8'), int(z'39a2520'), int(z'49c1114'), int(z'cf98e80'), int(z'4177d4c'), int(z'7627364')]
  integer(int64), save :: inverse_factorial(0:most, 0:terms) = 0
  integer(int64), parameter :: nan_bits = int(z'7ff8000000000000', int64), infinity_bits = int(z'7ff0000000000000', int64)
  real(real64), parameter :: nan = transfer(nan_bits, 1.0_real64), infinity = transfer(infinity_bits, 1.0_real64)

  abstract interface
    !> A value in fixed point, of as many limbs as `value` has, and the power of two that it is to be multiplied by.
    subroutine evaluation(x, k, value, exponent)
      import :: int64, real64
      real(real64), intent(in) :: x
      integer, intent(in) :: k
      integer(int64), intent(out) :: value(0:)
      integer, intent(out) :: exponent
    end subroutine
  end interface

contains

  !> All NaNs count as one.
  elemental integer(int64) function bits_of(x)
    real(real64), intent(in) :: x
    bits_of = merge(nan_bits, transfer(x, one), ieee_is_nan(x))
  end function

  elemental real(real64) function double_of(pattern)
    integer(int64), intent(in) :: pattern
    double_of = merge(nan, transfer(pattern, 1.0_real64), iand(pattern, huge(pattern)) > infinity_bits)
  end function

  pure function carried(a) result(b)
    integer(int64), intent(in) :: a(0:)
    integer(int64) :: b(0:ubound(a, 1))
    integer :: i
    b = a
    do i = ubound(b, 1), 1, -1
      b(i - 1) = b(i - 1) + shifta(b(i), bits)
      b(i) = iand(b(i), mask)
    end do
  end function

  !> The column after the last counts for what it carries; those beyond it are cut off.
  pure function product_of(a, b) result(c)
    integer(int64), intent(in) :: a(0:), b(0:)
    integer(int64) :: c(0:ubound(a, 1))
    integer :: i, n
    n = ubound(a, 1)
    do i = 0, n
      c(i) = dot_product(a(:i), b(i:0:-1))
    end do
    c(n) = c(n) + shifta(dot_product(a(1:), b(n:1:-1)), bits)
    c = carried(c)
  end function

  !> a / 2**places for places < bits.
  pure function halved(a, places) result(b)
    integer(int64), intent(in) :: a(0:)
    integer, intent(in) :: places
    integer(int64) :: b(0:ubound(a, 1))
    b = shifta(a, places)
    b(1:) = b(1:) + iand(shiftl(a(:ubound(a, 1) - 1), bits - places), mask)
  end function

  pure function fixed(x, n) result(a)
    real(real64), intent(in) :: x
    integer, intent(in) :: n
    integer(int64) :: a(0:n)
    real(real64) :: rest
    integer :: i
    rest = abs(x)
    do i = 0, n
      a(i) = int(rest, int64)
      rest = (rest - real(a(i), real64)) * base
    end do
    if (x < 0.0_real64) a = carried(-a)
  end function

  !> The double nearest to a * 2**exponent for a > 0, ties to even, rounded once at the last place that it has.
  pure real(real64) function rounded(a, exponent)
    integer(int64), intent(in) :: a(0:)
    integer, intent(in) :: exponent
    integer(int64) :: top, next, sticky, half, rest
    integer :: i, room, take, place, drop
    i = findloc(a /= 0, .true., dim=1) - 1
    top = a(i)
    room = leadz(top) - 2  ! top gets 62 bits
    place = exponent - bits * i - room
    sticky = 0
    do while (i < ubound(a, 1) .or. room > 0)
      i = i + 1
      next = 0
      if (i <= ubound(a, 1)) next = a(i)
      take = min(room, bits)
      top = ior(shiftl(top, take), shiftr(next, bits - take))
      sticky = ior(sticky, iand(next, shiftr(mask, take)))
      room = room - take
    end do
    drop = max(9, -1074 - place)
    rounded = 0.0_real64
    if (drop > 62) return
    half = shiftl(one, drop - 1)
    rest = iand(top, 2 * half - 1)
    top = shiftr(top, drop)
    if (rest > half .or. (rest == half .and. (sticky /= 0 .or. btest(top, 0)))) top = top + 1
    place = place + drop + 1074
    rounded = infinity
    if (place < 2047) rounded = transfer(min(shiftl(int(place, int64), 52) + top, infinity_bits), rounded)
  end function

  !> 1/first! + x/(first + step)! + x**2/(first + 2 step)! + ..., or the same with alternating signs.
  pure function series(x, first, step, length, sign) result(total)
    integer(int64), intent(in) :: x(0:)
    integer, intent(in) :: first, step, length, sign
    integer(int64) :: total(0:ubound(x, 1))
    integer :: i, n
    n = ubound(x, 1)
    total = inverse_factorial(:n, first + step * (length - 1))
    do i = first + step * (length - 2), first, -step
      total = carried(inverse_factorial(:n, i) + sign * product_of(total, x))
    end do
  end function

  subroutine make_inverse_factorials()
    integer(int64) :: rest
    integer :: i, j
    inverse_factorial(0, 0) = 1
    do i = 1, terms
      rest = 0
      do j = 0, most
        rest = shiftl(rest, bits) + inverse_factorial(j, i - 1)
        inverse_factorial(j, i) = rest / i
        rest = mod(rest, int(i, int64))
      end do
    end do
  end subroutine

  !> e**p = power * 2**exponent.
  pure subroutine exponential(p, power, exponent)
    integer(int64), intent(in) :: p(0:)
    integer(int64), intent(out) :: power(0:)
    integer, intent(out) :: exponent
    integer :: i, n
    n = ubound(p, 1)
    exponent = nint((real(p(0), real64) + real(p(1), real64) / base) / log(2.0_real64))
    power = series(halved(carried(p - exponent * ln2(:n)), halvings), 0, 1, 4 + 2 * n, 1)
    do i = 1, halvings
      power = product_of(power, power)
    end do
  end subroutine

  subroutine power_of_e(x, k, value, exponent)
    real(real64), intent(in) :: x
    integer, intent(in) :: k
    integer(int64), intent(out) :: value(0:)
    integer, intent(out) :: exponent
    call exponential(fixed(x, ubound(value, 1) + k), value, exponent)
  end subroutine

  !> log m = y + d - d**2/2 + d**3/3 - ..., with d = m e**-y - 1. The library's y is good to 2**-52, the next to 2**-150.
  subroutine logarithm(x, k, value, exponent)
    real(real64), intent(in) :: x
    integer, intent(in) :: k
    integer(int64), intent(out) :: value(0:)
    integer, intent(out) :: exponent
    integer(int64) :: y(0:most), d(0:most)
    real(real64) :: m
    integer :: e, n, shift
    e = exponent_of(x)
    m = scale(x, -e)
    if (m < 0.75_real64) then
      m = 2.0_real64 * m
      e = e - 1
    end if
    y = fixed(log(m), most)
    do n = few, ubound(value, 1), most - few
      call exponential(carried(-y(:n)), d(:n), shift)
      d(:n) = product_of(d(:n), fixed(scale(m, shift), n))
      d(0) = d(0) - 1
      y(:n) = carried(y(:n) + d(:n) - halved(product_of(d(:n), d(:n)), 1))
    end do
    n = ubound(value, 1)
    value = carried(y(:n) + e * ln2(:n))
    exponent = k
  end subroutine

  pure integer function exponent_of(x)
    real(real64), intent(in) :: x
    exponent_of = exponent(x)
  end function

  !> sin(x + quarters * pi/2).
  subroutine wave(x, quarters, value, exponent)
    real(real64), intent(in) :: x
    integer, intent(in) :: quarters
    integer(int64), intent(out) :: value(0:)
    integer, intent(out) :: exponent
    integer(int64) :: r(0:ubound(value, 1))
    integer :: turns, quadrant, n
    n = ubound(value, 1)
    turns = nint(x / acos(0.0_real64))
    quadrant = modulo(turns + quarters, 4)
    r = carried(fixed(x, n) - turns * half_pi(:n))
    value = series(product_of(r, r), merge(1, 0, mod(quadrant, 2) == 0), 2, 6 + 5 * n / 2, -1)
    if (mod(quadrant, 2) == 0) value = product_of(r, value)
    if (quadrant >= 2) value = carried(-value)
    exponent = 0
  end subroutine

  !> x**(twice/2).
  subroutine power(x, twice, value, exponent)
    real(real64), intent(in) :: x
    integer, intent(in) :: twice
    integer(int64), intent(out) :: value(0:)
    integer, intent(out) :: exponent
    integer(int64) :: log_x(0:ubound(value, 1))
    call logarithm(x, 0, log_x, exponent)
    call exponential(halved(carried(twice * log_x), 1), value, exponent)
  end subroutine

  !> The value is off by less than the slack. With most limbs, what lies within the slack of a double, or of the middle
  !> between two, is that: a power of a short number may be.
  real(real64) function nearest_of(evaluate, x, k) result(y)
    procedure(evaluation) :: evaluate
    real(real64), intent(in) :: x
    integer, intent(in) :: k
    integer(int64) :: value(0:most), above(0:most), below(0:most)
    integer :: n, exponent
    logical :: is_negative
    if (inverse_factorial(0, 0) == 0) call make_inverse_factorials()
    do n = few, most, most - few
      call evaluate(x, k, value(:n), exponent)
      is_negative = value(0) < 0
      if (is_negative) value(:n) = carried(-value(:n))
      above = value
      above(n - 1) = above(n - 1) + 2**14
      above(:n) = carried(above(:n))
      below = value
      below(n - 1) = below(n - 1) - 2**14
      below(:n) = carried(below(:n))
      if (n == most) then
        above(n) = 0
        above(n - 1) = iand(above(n - 1), not(2_int64**15 - 1))
      end if
      y = rounded(above(:n), exponent)
      if (n == few) then
        if (y == rounded(below(:n), exponent)) exit
      end if
    end do
    if (is_negative) y = -y
  end function

  real(real64) function exact_exp(x) result(y)
    real(real64), intent(in) :: x
    y = nan
    if (.not. ieee_is_nan(x)) y = nearest_of(power_of_e, min(max(x, -800.0_real64), 800.0_real64), 0)
  end function

  real(real64) function exact_log(x) result(y)
    real(real64), intent(in) :: x
    if (ieee_is_nan(x) .or. x < 0.0_real64) then
      y = nan
    else if (x == 0.0_real64) then
      y = -infinity
    else if (x > huge(x)) then
      y = x
    else if (x == 1.0_real64) then
      y = 0.0_real64
    else
      y = nearest_of(logarithm, x, 0)
    end if
  end function

  real(real64) function exact_sin(x) result(y)
    real(real64), intent(in) :: x
    y = x  ! x - x**3/6 rounds to x
    if (ieee_is_nan(x)) y = nan
    if (abs(x) >= 2.0_real64**(-26)) y = nearest_of(wave, x, 0)
  end function

  real(real64) function exact_cos(x) result(y)
    real(real64), intent(in) :: x
    y = nan
    if (.not. ieee_is_nan(x)) y = nearest_of(wave, x, 1)
  end function

  recursive real(real64) function exact_pow(x, y) result(z)
    real(real64), intent(in) :: x, y
    logical :: is_whole, is_odd
    is_whole = aint(y) == y
    is_odd = is_whole .and. mod(y, 2.0_real64) /= 0.0_real64
    if (y == 0.0_real64 .or. x == 1.0_real64) then
      z = 1.0_real64
    else if (ieee_is_nan(x)) then
      z = nan
    else if (y == 1.0_real64) then
      z = x
    else if (y == 2.0_real64) then
      z = x * x
    else if (y == -1.0_real64) then
      z = 1.0_real64 / x
    else if (x == 0.0_real64 .or. abs(x) > huge(x)) then
      z = merge(0.0_real64, infinity, (x == 0.0_real64) .eqv. (y > 0.0_real64))
      if (is_odd) z = sign(z, x)
    else if (x < 0.0_real64) then
      z = nan
      if (is_whole) z = exact_pow(-x, y)
      if (is_odd) z = -z
    else if (y == 0.5_real64) then
      z = sqrt(x)
    else if (abs(log(x) * y) > 800.0_real64) then
      z = merge(infinity, 0.0_real64, log(x) * y > 0.0_real64)
    else
      z = nearest_of(power, x, int(2.0_real64 * y))
    end if
  end function
end module
