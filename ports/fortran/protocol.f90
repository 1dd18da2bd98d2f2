!> Requests and replies (SPEC, sections 11 and 13), one at a time.
!>
!> A problem is a flag that stays up, like those of IEEE 754: once one is raised, the request seems to be at its end,
!> and whatever is read is the least that may be.
module protocol
  use, intrinsic :: iso_c_binding, only: c_int
  use, intrinsic :: iso_fortran_env, only: dp => real64, int64, output_unit
  use exact, only: bits_of, double_of
  implicit none
  private
  public :: raise, failed, problem, read_line, send, append, read_request, at_end, has_more, next_is, take_key, take
  public :: word, double, doubles, whole, wholes, integer_of, double_of_key, choice_of, take_math, tensor
  public :: line, put, put_tensor, put_checksum

  integer, parameter :: longest = 65536
  character, parameter :: lf = new_line('a')
  character(:), allocatable, protected :: problem
  character(:), allocatable :: text  !< the request, with a line feed before each line and after the last
  integer :: next, length
  character(:), allocatable, protected, public :: id, reply
  integer, protected, public :: reply_length

  interface put
    procedure put_double, put_doubles, put_integer, put_integers, put_words
  end interface

  interface
    integer(c_int) function getchar() bind(c)
      import :: c_int
    end function
  end interface

contains

  subroutine raise(reason)
    character(*), intent(in) :: reason
    if (.not. failed()) problem = reason
  end subroutine

  logical function failed()
    failed = allocated(problem)
  end function

  subroutine append(text, used, piece)
    character(:), allocatable, intent(inout) :: text
    integer, intent(inout) :: used
    character(*), intent(in) :: piece
    if (used + len(piece) > len(text)) text = text // repeat(' ', used + len(piece))
    text(used + 1:used + len(piece)) = piece
    used = used + len(piece)
  end subroutine

  !> The next line of standard input. Fortran's own READ would take a carriage return for the end of a line.
  logical function read_line(line)
    character(:), allocatable, intent(out) :: line
    integer :: c, used
    line = ''
    used = 0
    do
      c = getchar()
      if (c < 0 .or. c == iachar(lf)) exit
      call append(line, used, achar(c))
    end do
    line = line(:used)
    read_line = c >= 0 .or. used > 0
  end function

  subroutine send(text)
    character(*), intent(in) :: text
    write (output_unit, '(a)') text
    flush (output_unit)
  end subroutine

  !> Reads up to `end`, and takes the verb. A line that nothing allows becomes an empty one: nothing allows that, either.
  logical function read_request(verb)
    character(:), allocatable, intent(out) :: verb
    character(:), allocatable :: line
    logical :: is_complete
    integer :: i
    if (failed()) deallocate (problem)
    text = ''
    reply = ''
    id = '-'
    length = 0
    reply_length = 0
    next = 1
    is_complete = .false.
    do while (read_line(line))
      is_complete = line == 'end' .and. len(line) == 3
      if (is_complete) exit
      if (len(line) > longest) line = ''
      call append(text, length, lf // line)
    end do
    read_request = length > 0 .or. is_complete
    call append(text, length, lf)
    verb = following(lf)
    next = next + 1 + len(verb)
    line = word()
    if (length == 1 .or. len(verb) == 0 .or. has_more()) call raise('the first line must be a verb and an id')
    do i = 1, len(verb)
      if (verb(i:i) <= ' ' .or. verb(i:i) > '~') call raise('a verb has printable characters')
    end do
    if (len(line) == 0 .or. len(line) > 64 .or. verify(line, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ' // &
      'abcdefghijklmnopqrstuvwxyz0123456789._-') > 0) call raise('an id has 1 to 64 letters, digits, dots, _ or -')
    if (.not. failed()) id = line
    if (.not. is_complete) call raise('the input ended before the line end')
  end function

  !> The word after this separator, if that comes next.
  function following(separator)
    character, intent(in) :: separator
    character(:), allocatable :: following
    integer :: size
    following = ''
    if (next > length .or. failed()) return
    if (text(next:next) /= separator) return
    size = scan(text(next + 1:length), ' ' // lf) - 1
    if (size > 0) following = text(next + 1:next + size)
  end function

  logical function at_end()
    at_end = failed() .or. next >= length
  end function

  !> Whether the line taken last has another value.
  logical function has_more()
    has_more = next <= length .and. .not. failed()
    if (has_more) has_more = text(next:next) == ' '
  end function

  !> Whether this key comes next, or with a space as the separator, this value.
  logical function next_is(text, separator)
    character(*), intent(in) :: text
    character, intent(in), optional :: separator
    next_is = following(lf) == text
    if (present(separator)) next_is = following(separator) == text
  end function

  function take_key() result(key)
    character(:), allocatable :: key
    if (has_more()) call raise('expected fewer values')
    if (at_end()) call raise('expected another line')
    key = following(lf)
    next = next + 1 + len(key)
  end function

  subroutine take(key)
    character(*), intent(in) :: key
    if (take_key() /= key) call raise('expected a line ' // key)
  end subroutine

  function word()
    character(:), allocatable :: word
    word = following(' ')
    if (has_more()) next = next + 1 + len(word)
  end function

  real(dp) function double()
    character(:), allocatable :: digits
    integer(int64) :: pattern
    integer :: status
    digits = word()
    pattern = 0
    if (len(digits) /= 16 .or. verify(digits, '0123456789abcdef') > 0) call raise('a double has 16 hex digits')
    if (.not. failed()) read (digits, '(z16)', iostat=status) pattern
    double = double_of(pattern)
  end function

  function doubles() result(x)
    real(dp), allocatable :: x(:)
    allocate (x(0))
    do while (has_more())
      x = [x, double()]
    end do
  end function

  integer(int64) function whole(low, high)
    integer(int64), intent(in) :: low, high
    character(:), allocatable :: digits
    digits = word()
    whole = low
    if (len(digits) == 0 .or. len(digits) > 10 .or. verify(digits, '0123456789') > 0 .or. &
      (len(digits) > 1 .and. index(digits, '0') == 1)) call raise('expected an integer without leading zeros')
    if (failed()) return
    read (digits, '(i10)') whole
    if (whole < low .or. whole > high) call raise('an integer is out of range')
    if (failed()) whole = low
  end function

  function wholes(low, high) result(x)
    integer, intent(in) :: low, high
    integer, allocatable :: x(:)
    integer :: count
    allocate (x(64))
    count = 0
    do while (has_more())
      if (count == size(x)) x = [x, x]
      count = count + 1
      x(count) = int(whole(int(low, int64), int(high, int64)))
    end do
    x = x(:count)
  end function

  integer function integer_of(key, low, high)
    character(*), intent(in) :: key
    integer, intent(in) :: low, high
    call take(key)
    integer_of = int(whole(int(low, int64), int(high, int64)))
  end function

  real(dp) function double_of_key(key)
    character(*), intent(in) :: key
    call take(key)
    double_of_key = double()
  end function

  !> Whether the value of this line is the second of the two words.
  logical function choice_of(key, first, second)
    character(*), intent(in) :: key, first, second
    character(:), allocatable :: found
    call take(key)
    found = word()
    choice_of = found == second
    if (.not. choice_of .and. found /= first) call raise('expected ' // first // ' or ' // second)
  end function

  subroutine take_math()
    if (choice_of('math', 'exact', 'native')) call raise('unsupported')
  end subroutine

  !> The numbers of a tensor; its rows and columns are read, too, where they are 0.
  function tensor(name, rows, columns) result(x)
    character(*), intent(in) :: name
    integer, intent(inout) :: rows, columns
    real(dp), allocatable :: x(:)
    integer :: i
    call take('tensor')
    if (word() /= name) call raise('expected the tensor ' // name)
    call take_size(rows)
    call take_size(columns)
    allocate (x(rows * columns))
    do i = 1, size(x)
      if (mod(i - 1, columns) == 0) call take('row')
      x(i) = double()
    end do
  contains
    subroutine take_size(known)
      integer, intent(inout) :: known
      known = int(whole(int(max(known, 1), int64), int(merge(2048, known, known == 0), int64)))
    end subroutine
  end function

  !> Puts a line.
  subroutine line(text)
    character(*), intent(in) :: text
    call append(reply, reply_length, text // lf)
  end subroutine

  subroutine put_doubles(key, x)
    character(*), intent(in) :: key
    real(dp), intent(in) :: x(:)
    integer :: i
    call append(reply, reply_length, key)
    do i = 1, size(x)
      call append(reply, reply_length, ' ' // hex(bits_of(x(i)), 16))
    end do
    call line('')
  end subroutine

  subroutine put_double(key, x)
    character(*), intent(in) :: key
    real(dp), intent(in) :: x
    call put_doubles(key, [x])
  end subroutine

  subroutine put_words(key, x)
    character(*), intent(in) :: key
    integer(int64), intent(in) :: x(:)
    character(20) :: digits
    integer :: i
    call append(reply, reply_length, key)
    do i = 1, size(x)
      write (digits, '(i0)') x(i)
      call append(reply, reply_length, ' ' // trim(digits))
    end do
    call line('')
  end subroutine

  subroutine put_integers(key, x)
    character(*), intent(in) :: key
    integer, intent(in) :: x(:)
    call put_words(key, int(x, int64))
  end subroutine

  subroutine put_integer(key, x)
    character(*), intent(in) :: key
    integer, intent(in) :: x
    call put_integers(key, [x])
  end subroutine

  subroutine put_tensor(name, rows, x)
    character(*), intent(in) :: name
    integer, intent(in) :: rows
    real(dp), intent(in) :: x(:)
    integer :: i, columns
    columns = size(x) / rows
    call put('tensor ' // name, [rows, columns])
    do i = 1, size(x), columns
      call put('row', x(i:i + columns - 1))
    end do
  end subroutine

  subroutine put_checksum(key, x)
    character(*), intent(in) :: key
    real(dp), intent(in) :: x(:)
    integer(int64), parameter :: prime = 4294967291_int64
    integer(int64) :: a, b
    integer :: i, half
    a = 1
    b = 0
    do i = 1, size(x)
      do half = 32, 0, -32
        a = mod(a + ibits(bits_of(x(i)), half, 32), prime)
        b = mod(b + a, prime)
      end do
    end do
    call line(key // ' ' // hex(a, 8) // ' ' // hex(b, 8))
  end subroutine

  pure function hex(pattern, width)
    integer(int64), intent(in) :: pattern
    integer, intent(in) :: width
    character(width) :: hex
    character(*), parameter :: digits = '0123456789abcdef'
    integer :: i, digit
    do i = 1, width
      digit = int(ibits(pattern, 4 * (width - i), 4)) + 1
      hex(i:i) = digits(digit:digit)
    end do
  end function
end module
