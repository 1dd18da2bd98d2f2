!> exp, log, sin, cos and pow: the double nearest to the true value (SPEC, sections 2 and 15).
!>
!> A number in fixed point is a signed integer and then limbs of 28 bits after the point, all of them >= 0. What is
!> computed here is off by less than 2**-175; the hardest arguments known are decided by 2**-170.
module exact
  use, intrinsic :: iso_fortran_env, only: dp => real64, int64
  use, intrinsic :: ieee_arithmetic, only: ieee_is_nan
  implicit none
  private
  public :: bits_of, double_of, exact_exp, exact_log, exact_sin, exact_cos, exact_pow, nan

  integer, parameter :: bits = 28, last = 7, halvings = 8
  integer(int64), parameter :: mask = 2_int64**bits - 1, one = 1, rounding = 2_int64**21
  integer(int64), parameter :: nan_bits = int(z'7ff8000000000000', int64), infinity_bits = int(z'7ff0000000000000', int64)
  real(dp), parameter :: nan = transfer(nan_bits, 1.0_dp), infinity = transfer(infinity_bits, 1.0_dp)
  integer(int64), parameter :: ln2(0:last) = [integer(int64) :: 0, int(z'b17217f'), int(z'7d1cf79'), int(z'abc9e3b'), &
    int(z'39803f2'), int(z'f6af40f'), int(z'3432672'), int(z'98b62d8')]
  integer(int64), parameter :: half_pi(0:last) = [integer(int64) :: 1, int(z'921fb54'), int(z'442d184'), &
    int(z'69898cc'), int(z'51701b8'), int(z'39a2520'), int(z'49c1114'), int(z'cf98e80')]
  integer(int64), save :: inverse_factorial(0:last, 0:47) = 0

contains

  !> All NaNs count as one.
  elemental integer(int64) function bits_of(x)
    real(dp), intent(in) :: x
    bits_of = merge(nan_bits, transfer(x, one), ieee_is_nan(x))
  end function

  elemental real(dp) function double_of(pattern)
    integer(int64), intent(in) :: pattern
    double_of = merge(nan, transfer(pattern, 1.0_dp), iand(pattern, huge(pattern)) > infinity_bits)
  end function

  pure function carried(a) result(b)
    integer(int64), intent(in) :: a(0:last)
    integer(int64) :: b(0:last)
    integer :: i
    b = a
    do i = last, 1, -1
      b(i - 1) = b(i - 1) + shifta(b(i), bits)
      b(i) = iand(b(i), mask)
    end do
  end function

  !> The column after the last counts for what it carries; those beyond it are cut off.
  pure function times(a, b) result(c)
    integer(int64), intent(in) :: a(0:last), b(0:last)
    integer(int64) :: c(0:last)
    integer :: i
    do i = 0, last
      c(i) = dot_product(a(:i), b(i:0:-1))
    end do
    c(last) = c(last) + shifta(dot_product(a(1:), b(last:1:-1)), bits)
    c = carried(c)
  end function

  pure function fixed(x) result(a)
    real(dp), intent(in) :: x
    integer(int64) :: a(0:last)
    real(dp) :: rest
    integer :: i
    rest = x
    do i = 0, last
      a(i) = int(rest, int64)
      rest = scale(rest - real(a(i), dp), bits)
    end do
    a = carried(a)
  end function

  !> The double nearest to value * 2**exponent, ties to even, rounded once at the last place that it has. What lies
  !> within the error of a short number, as a power may, is that number.
  pure real(dp) function nearest_to(value, exponent) result(y)
    integer(int64), intent(in) :: value(0:last)
    integer, intent(in) :: exponent
    integer(int64) :: a(0:last), top, lost
    integer :: i, take, place, drop
    a = merge(-value, value, value(0) < 0)
    a(last) = a(last) + rounding
    a = carried(a)
    a(last) = iand(a(last), not(2 * rounding - 1))
    top = 0  ! gets 62 bits
    lost = 0
    place = exponent + bits
    do i = 0, last
      take = min(bits, leadz(top) - 2)
      top = ior(shiftl(top, take), shiftr(a(i), bits - take))
      lost = ior(lost, iand(a(i), shiftr(mask, take)))
      place = place - take
    end do
    if (lost > 0) top = ior(top, one)
    drop = max(9, -1074 - place)
    y = 0.0_dp
    if (drop > 62) return
    top = shiftr(top + shiftl(one, drop - 1) - 1 + ibits(top, drop, 1), drop)
    ! The first bit of a normal number adds one to the exponent, and so does a carry.
    y = infinity
    if (place + drop < 972) y = transfer(min(shiftl(int(place + drop + 1074, int64), 52) + top, infinity_bits), y)
    if (value(0) < 0) y = -y
  end function

  !> 1/first! + x/(first + step)! + x**2/(first + 2 step)! + ...
  pure function series(x, first, step, terms) result(total)
    integer(int64), intent(in) :: x(0:last)
    integer, intent(in) :: first, step, terms
    integer(int64) :: total(0:last)
    integer :: i
    total = inverse_factorial(:, first + step * (terms - 1))
    do i = first + step * (terms - 2), first, -step
      total = carried(inverse_factorial(:, i) + times(total, x))
    end do
  end function

  subroutine make_inverse_factorials()
    integer(int64) :: rest
    integer :: i, j
    inverse_factorial(0, 0) = 1
    do i = 1, ubound(inverse_factorial, 2)
      rest = 0
      do j = 0, last
        rest = shiftl(rest, bits) + inverse_factorial(j, i - 1)
        inverse_factorial(j, i) = rest / i
        rest = mod(rest, int(i, int64))
      end do
    end do
  end subroutine

  !> e**p = power * 2**exponent.
  subroutine exponential(p, power, exponent)
    integer(int64), intent(in) :: p(0:last)
    integer(int64), intent(out) :: power(0:last)
    integer, intent(out) :: exponent
    integer :: i
    if (inverse_factorial(0, 0) == 0) call make_inverse_factorials()
    exponent = nint((real(p(0), dp) + scale(real(p(1), dp), -bits)) / log(2.0_dp))
    power = series(times(carried(p - exponent * ln2), fixed(2.0_dp**(-halvings))), 0, 1, 18)
    do i = 1, halvings
      power = times(power, power)
    end do
  end subroutine

  !> The library's logarithm y of m is good to 2**-50: log m = y + d - d**2/2 + d**3/3, with d = m e**-y - 1.
  function logarithm(x) result(y)
    real(dp), intent(in) :: x
    integer(int64) :: y(0:last), d(0:last)
    real(dp) :: m
    integer :: e, shift
    e = exponent(x)
    m = fraction(x)
    if (m < 0.75_dp) then
      m = 2.0_dp * m
      e = e - 1
    end if
    y = fixed(log(m))
    call exponential(carried(-y), d, shift)
    d = times(d, fixed(scale(m, shift)))
    d(0) = d(0) - 1
    d = d + times(times(d, d), carried(fixed(-0.5_dp) + times(d, fixed(1.0_dp / 3.0_dp))))
    y = carried(y + d + e * ln2)
  end function

  !> sin(x + quarters * pi/2).
  real(dp) function wave(x, quarters)
    real(dp), intent(in) :: x
    integer, intent(in) :: quarters
    integer(int64) :: r(0:last), minus_square(0:last)
    integer :: turns
    if (inverse_factorial(0, 0) == 0) call make_inverse_factorials()
    turns = nint(x / acos(0.0_dp))
    r = carried(fixed(x) - turns * half_pi)
    minus_square = carried(-times(r, r))
    if (btest(turns + quarters, 0)) then
      wave = nearest_to(series(minus_square, 0, 2, 24), 0)
    else
      wave = nearest_to(times(r, series(minus_square, 1, 2, 24)), 0)
    end if
    if (btest(turns + quarters, 1)) wave = -wave
  end function

  real(dp) function exact_exp(x) result(y)
    real(dp), intent(in) :: x
    integer(int64) :: power(0:last)
    integer :: exponent
    y = nan
    if (ieee_is_nan(x)) return
    call exponential(fixed(min(max(x, -800.0_dp), 800.0_dp)), power, exponent)
    y = nearest_to(power, exponent)
  end function

  real(dp) function exact_log(x) result(y)
    real(dp), intent(in) :: x
    if (ieee_is_nan(x) .or. x < 0.0_dp) then
      y = nan
    else if (x == 0.0_dp) then
      y = -infinity
    else if (x == 1.0_dp .or. x > huge(x)) then
      y = x - 1.0_dp
    else
      y = nearest_to(logarithm(x), 0)
    end if
  end function

  !> For |x| <= 8, as exact_cos.
  real(dp) function exact_sin(x) result(y)
    real(dp), intent(in) :: x
    y = x  ! x - x**3/6 rounds to x
    if (abs(x) >= 2.0_dp**(-26)) y = wave(x, 0)
  end function

  real(dp) function exact_cos(x) result(y)
    real(dp), intent(in) :: x
    y = nan
    if (.not. ieee_is_nan(x)) y = wave(x, 1)
  end function

  !> For an integer or half-integer y.
  real(dp) function exact_pow(x, y) result(z)
    real(dp), intent(in) :: x, y
    integer(int64) :: power(0:last)
    integer :: exponent
    if (y == 0.0_dp .or. x == 1.0_dp) then
      z = 1.0_dp
    else if (ieee_is_nan(x) .or. y == 1.0_dp) then
      z = x
    else if (y == 2.0_dp) then
      z = x * x
    else if (y == -1.0_dp) then
      z = 1.0_dp / x
    else if (y == 0.5_dp .and. x >= 0.0_dp) then
      z = sqrt(abs(x))
    else if (x < 0.0_dp .and. x >= -huge(x) .and. aint(y) /= y) then
      z = nan
    else
      if (x == 0.0_dp .or. abs(x) > huge(x) .or. abs(log(abs(x)) * y) > 800.0_dp) then
        z = merge(infinity, 0.0_dp, abs(x) < 1.0_dp .neqv. y > 0.0_dp)
      else
        call exponential(times(fixed(y), logarithm(abs(x))), power, exponent)
        z = nearest_to(power, exponent)
      end if
      if (abs(mod(y, 2.0_dp)) == 1.0_dp) z = sign(z, x)
    end if
  end function
end module
