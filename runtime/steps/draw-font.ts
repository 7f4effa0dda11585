/** Glyphs stand in cells of 6 x 10 pixels: 5 x 7 and two rows below the line for those that descend, and a gap. */
export const cellWidth = 6
export const cellHeight = 10

/** The rows of a character from the top, 5 bits each, the leftmost highest; undefined where the font has none. */
export function glyphOf(character: string): readonly number[] | undefined {
  return glyphs.get(character)
}

// --- internal ---

/** Drawn for Pellet, so that no font need be installed: a character, and a digit of base 32 for each of its rows. */
const art = [
  '0ehjlphe 14c4444e 2eh1248v 3eh161he 426aiv22 5vgu11he 668guhhe 7v122444 8ehhehhe 9ehhf12c',
  'Aehhvhhh Buhhuhhu Cehggghe Duhhhhhu Evgguggv Fvgguggg Gehgnhhe Hhhhvhhh Ie44444e J1111hhe',
  'Khikokih Lggggggv Mhrllhhh Nhppljjh Oehhhhhe Puhhuggg Qehhhlid Ruhhukih Sfgge11u Tv444444',
  'Uhhhhhhe Vhhhhaa4 Whhhllla Xhha4ahh Yhha4444 Zv1248gv',
  'a00e1fhf bgguhhhu c00ehghe d11fhhhf e00ehvge f68u8888 g00fhhhf1e hgguhhhh i40c444e j2062222ic',
  'kggikoki lc44444e m00qllll n00uhhhh o00ehhhe p00uhhhugg q00fhhhf11 r00mpggg s00fge1u t88u8896',
  'u00hhhjd v00hhha4 w00lllla x00ha4ah y00hhhhf1e z00v248v',
  "!4444404 #aavavaa %pp248jj &cik8lid '44 (2488842 )8422248 *0level +044v44 ,00000048",
  '-000f .0000004 /11248gg :0040004 ;00400048 <248g842 =00f0f >8421248 ?eh12404 @ehnlmge',
  '[e88888e ]e22222e _000000v',
]

const glyphs = new Map(
  art
    .flatMap((line) => line.split(' '))
    .map(([character, ...rows]) => [character!, rows.map((row) => parseInt(row, 32))]),
)
glyphs.set(' ', [])
