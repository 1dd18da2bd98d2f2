!> The Mersenne Twister MT19937 with Python's random numbers (SPEC, section 3). There is one stream at a time.
module twister
  use, intrinsic :: iso_fortran_env, only: dp => real64, int64
  use exact, only: exact_cos, exact_log, exact_sin
  use protocol, only: raise
  implicit none
  private
  public :: seed, next_word, random, gauss, shuffled, choice

  integer(int64), parameter :: mask = 4294967295_int64
  integer(int64), public :: words(0:623)
  integer, public :: place  !< of the next word; 624 if all are used up
  logical, public :: has_kept
  real(dp), public :: kept

contains

  subroutine seed(key)
    integer(int64), intent(in) :: key
    integer :: i, k
    words = 0
    words(0) = 19650218
    do i = 1, 623
      call mix(i, 1812433253_int64, int(i, int64))
    end do
    i = 1
    do k = 1, 624 + 623
      if (k <= 624) call mix(i, 1664525_int64, key)
      if (k > 624) call mix(i, 1566083941_int64, -int(i, int64))
      i = i + 1
      if (i < 624) cycle
      words(0) = words(623)
      i = 1
    end do
    words(0) = 2147483648_int64
    place = 624
    has_kept = .false.
  end subroutine

  subroutine mix(i, factor, summand)
    integer, intent(in) :: i
    integer(int64), intent(in) :: factor, summand
    integer(int64) :: previous
    previous = words(i - 1)
    words(i) = iand(ieor(words(i), factor * ieor(previous, shiftr(previous, 30))) + summand, mask)
  end subroutine

  integer(int64) function next_word() result(y)
    integer :: i
    if (place == 624) then
      do i = 0, 623
        y = ior(iand(words(i), 2147483648_int64), iand(words(mod(i + 1, 624)), 2147483647_int64))
        words(i) = ieor(words(mod(i + 397, 624)), shiftr(y, 1))
        if (btest(y, 0)) words(i) = ieor(words(i), 2567483615_int64)
      end do
      place = 0
    end if
    y = words(place)
    place = place + 1
    y = ieor(y, shiftr(y, 11))
    y = ieor(y, iand(shiftl(y, 7), 2636928640_int64))
    y = ieor(y, iand(shiftl(y, 15), 4022730752_int64))
    y = ieor(y, shiftr(y, 18))
  end function

  real(dp) function random()
    integer(int64) :: a, b
    a = shiftr(next_word(), 5)
    b = shiftr(next_word(), 6)
    random = real(a * 67108864 + b, dp) / 9007199254740992.0_dp
  end function

  real(dp) function gauss(sigma)
    real(dp), intent(in) :: sigma
    real(dp) :: x, r, z
    z = kept
    has_kept = .not. has_kept
    if (has_kept) then
      x = random() * 6.283185307179586_dp
      r = sqrt(-2.0_dp * exact_log(1.0_dp - random()))
      z = exact_cos(x) * r
      kept = exact_sin(x) * r
    end if
    gauss = 0.0_dp + z * sigma
  end function

  !> The numbers from 0 to n - 1, shuffled.
  function shuffled(n) result(item)
    integer, intent(in) :: n
    integer :: item(n), i, j
    item = [(i, i = 0, n - 1)]
    do i = n, 2, -1
      j = n
      do while (j >= i)
        j = int(shiftr(next_word(), leadz(i)))
      end do
      item([i, j + 1]) = item([j + 1, i])
    end do
  end function

  integer function choice(weights) result(low)
    real(dp), intent(in) :: weights(0:)
    real(dp) :: cumulative(0:ubound(weights, 1)), u
    integer :: i, high, middle
    low = 0
    high = ubound(weights, 1)
    cumulative = weights
    do i = 1, high
      cumulative(i) = cumulative(i - 1) + weights(i)
    end do
    if (.not. (cumulative(high) > 0.0_dp .and. cumulative(high) <= huge(u))) then
      call raise('the weights must have a finite total above 0')
      return
    end if
    u = random() * cumulative(high)
    do while (low < high)
      middle = (low + high) / 2
      if (u < cumulative(middle)) then
        high = middle
      else
        low = middle + 1
      end if
    end do
  end function
end module
